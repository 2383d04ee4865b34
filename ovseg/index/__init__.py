"""Nearest neighbours among vectors, exact or approximate, with FAISS."""
