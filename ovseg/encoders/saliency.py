"""The saliency decoder that ships with the offline DINOv2 weights."""

from __future__ import annotations

import torch
from torch import nn


class SaliencyDecoder(nn.Module):
    """Last-layer tokens to foreground probability: three 2x transposed convolutions, then a 1x1."""

    def __init__(self, width: int = 384) -> None:
        super().__init__()
        self.upconv1 = nn.ConvTranspose2d(width, 256, 4, stride=2, padding=1)
        self.bn1 = nn.BatchNorm2d(256)
        self.upconv2 = nn.ConvTranspose2d(256, 128, 4, stride=2, padding=1)
        self.bn2 = nn.BatchNorm2d(128)
        self.upconv3 = nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1)
        self.bn3 = nn.BatchNorm2d(64)
        self.final_conv = nn.Conv2d(64, 1, 1)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(B, h, w, D) last-layer tokens to (B, 8h, 8w) foreground probability in [0, 1]."""
        x = tokens.permute(0, 3, 1, 2)
        x = self.bn1(self.upconv1(x)).relu_()
        x = self.bn2(self.upconv2(x)).relu_()
        x = self.bn3(self.upconv3(x)).relu_()
        return torch.sigmoid(self.final_conv(x))[:, 0]


def decoder_state(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Select the decoder's tensors of an exported graph (see ``read_onnx``)."""
    prefix = "decoder."
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
