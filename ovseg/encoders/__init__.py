"""Encoders: images and texts to features. Model libraries are imported here (and in generation)."""
