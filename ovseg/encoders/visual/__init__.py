"""Backbones: DINO, DINOv2, DINOv3, the image tower of CLIP, diffusion features."""
