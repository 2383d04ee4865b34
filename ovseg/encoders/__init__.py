"""Encoders: images and texts to features. The only room that knows model libraries."""
