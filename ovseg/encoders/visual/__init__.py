"""Encoders of the roles *shape* and *look*: DINO, DINOv2, DINOv3, CLIP's tower, diffusion features."""
