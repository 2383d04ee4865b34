"""A convolutional ImageNet classifier applied densely: class logits and features per patch."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn


class DenseClassifier(nn.Module):
    """EfficientNet-Lite with its last stage dilated to stride 16 and its head applied to every patch.

    Global average pooling commutes with the linear head, so the mean of a plain model's dense logits is
    its image logit; dilation only makes the grid finer (DeepLab, Chen et al., 2015).

    Args:
        net: A timm ``EfficientNet`` made with ``output_stride=16``.
    """

    stride = 16
    mean = 127.0 / 255.0
    std = 128.0 / 255.0

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode a batch.

        Args:
            images: (B, 3, H, W) float in [0, 1]; any size of at least 32 px.

        Returns:
            (B, h, w, 1000) class logits and (B, h, w, 1280) features before the head, h = ceil(H / 16).
        """
        x = (images - self.mean) / self.std
        features = self.net.forward_features(x).permute(0, 2, 3, 1)
        return F.linear(features, self.net.classifier.weight, self.net.classifier.bias), features


def efficientnet_state(tensors: dict[str, torch.Tensor], model: Any) -> dict[str, torch.Tensor]:
    """Rename an efficientnet-lite-pytorch state dict to timm's names.

    Both list the same layers in the same order under other names, so tensors are paired by position; shape
    and parameter kind are checked pair by pair.

    Raises:
        ValueError: The two do not pair up (another architecture).
    """
    target = model.state_dict()
    if len(tensors) != len(target):
        raise ValueError(f"expected {len(target)} tensors, got {len(tensors)}")
    state: dict[str, torch.Tensor] = {}
    for (old, value), (new, like) in zip(tensors.items(), target.items(), strict=True):
        if value.shape != like.shape or old.rsplit(".", 1)[-1] != new.rsplit(".", 1)[-1]:
            raise ValueError(f"{old} {tuple(value.shape)} does not pair with {new} {tuple(like.shape)}")
        state[new] = value
    return state
