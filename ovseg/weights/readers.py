"""Readers of weights: safetensors, what ``torch.save`` wrote, ONNX graphs; none executes code."""

from __future__ import annotations

from pathlib import Path

# For the name of the error alone: PyTorch's reader of tensors raises it for whatever would run code.
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError

from ovseg.errors import WeightsUnavailable

UNREADABLE = (OSError, EOFError, RuntimeError, SafetensorError, UnpicklingError)
"""What reading a file of weights raises that is none, is damaged, or would run code."""

_NESTED = ("state_dict", "model", "teacher")
"""Where training scripts keep the tensors in what they save."""


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of a safetensors file, or of one that ``torch.save`` wrote, by name.

    Training scripts keep the tensors under ``state_dict``, ``model`` or ``teacher``.

    Raises:
        WeightsUnavailable: The file cannot be read as either, or holds no tensors by name.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            tensors: dict[str, torch.Tensor] = load_file(path)
            return tensors
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsUnavailable(f"cannot read weights from {path}: {reason}") from error
    for key in _NESTED:
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    if not isinstance(loaded, dict) or not any(isinstance(v, torch.Tensor) for v in loaded.values()):
        raise WeightsUnavailable(f"cannot read weights from {path}: it holds no tensors by name")
    return {key: value for key, value in loaded.items() if isinstance(value, torch.Tensor)}


def read_onnx(path: Path) -> dict[str, torch.Tensor]:
    """Parameters of an ONNX graph exported from PyTorch, by their module names.

    Named initializers are parameters as they stand. The exporter folds the transposed weight of a linear
    layer into an unnamed initializer; the MatMul that uses it carries the module's path in its own name
    (``/backbone/encoder/layer.0/mlp/fc1/MatMul``), so the weight is filed under ``backbone.encoder.layer.0.
    mlp.fc1.weight``, transposed back. Other unnamed initializers keep their graph names.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    tensors = {
        entry.name: torch.from_numpy(numpy_helper.to_array(entry).copy()) for entry in graph.initializer
    }
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in tensors and node.input[1].startswith("onnx::"):
            module = node.name.removesuffix("/MatMul").strip("/").replace("/", ".")
            tensors[f"{module}.weight"] = tensors.pop(node.input[1]).T.contiguous()
    return tensors
