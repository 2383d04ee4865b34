"""Readers of the shipped formats: ONNX graph, PyTorch state dict, safetensors; none executes code."""

from __future__ import annotations

from pathlib import Path

import torch

from ovseg.errors import DependencyMissing


def read_onnx(path: Path) -> dict[str, torch.Tensor]:
    """Parameters of an ONNX graph exported from PyTorch, by their module names.

    Named initializers are parameters as they stand. The exporter folds the transposed weight of a linear
    layer into an unnamed initializer; the MatMul that uses it carries the module's path in its own name
    (``/backbone/encoder/layer.0/mlp/fc1/MatMul``), so the weight is filed under ``backbone.encoder.layer.0.
    mlp.fc1.weight``, transposed back. Other unnamed initializers keep their graph names.

    Raises:
        DependencyMissing: The ``onnx`` package is not installed.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise DependencyMissing(
            "reading ONNX weights needs onnx: run  pip install 'ovseg[offline]'"
        ) from error

    graph = onnx.load(str(path)).graph
    tensors = {
        entry.name: torch.from_numpy(numpy_helper.to_array(entry).copy()) for entry in graph.initializer
    }
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in tensors and node.input[1].startswith("onnx::"):
            module = node.name.removesuffix("/MatMul").strip("/").replace("/", ".")
            tensors[f"{module}.weight"] = tensors.pop(node.input[1]).T.contiguous()
    return tensors


def read_torch(path: Path) -> dict[str, torch.Tensor]:
    """A state dict saved by ``torch.save``, read with the weights-only unpickler."""
    loaded = torch.load(path, map_location="cpu", weights_only=True)
    return {key: value for key, value in loaded.items() if isinstance(value, torch.Tensor)}


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """All tensors of a safetensors file."""
    from safetensors.torch import load_file

    tensors: dict[str, torch.Tensor] = load_file(path)
    return tensors
