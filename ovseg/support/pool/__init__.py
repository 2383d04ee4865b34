"""Pools: folders of unlabelled photos, embedded once, searched by words or by a picture (ReCo's way)."""
