from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import save_file

from ovseg.errors import WeightsUnavailable
from ovseg.weights.readers import read_onnx, read_state


def test_parameters_of_a_graph_come_by_their_module_names(tmp_path: Path):
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(5, 3)).astype(np.float32)  # of nn.Linear(3, 5); the exporter stores it turned
    bias = rng.normal(size=5).astype(np.float32)
    grid = rng.normal(size=(1, 4, 5)).astype(np.float32)
    table = rng.normal(size=(5, 2)).astype(np.float32)
    make, value = onnx.helper, onnx.helper.make_tensor_value_info
    graph = make.make_graph(
        [
            make.make_node("MatMul", ["x", "onnx::MatMul_7"], ["a"], name="/block/layer.0/fc1/MatMul"),
            make.make_node("Add", ["a", "block.layer.0.fc1.bias"], ["b"], name="/block/layer.0/fc1/Add"),
            make.make_node("Add", ["b", "onnx::Add_9"], ["c"], name="/block/Add"),
            make.make_node("MatMul", ["c", "table"], ["y"], name="/head/MatMul"),
        ],
        "tiny",
        [value("x", onnx.TensorProto.FLOAT, [1, 4, 3])],
        [value("y", onnx.TensorProto.FLOAT, [1, 4, 2])],
        [
            onnx.numpy_helper.from_array(array, name)
            for name, array in {
                "onnx::MatMul_7": weight.T,
                "block.layer.0.fc1.bias": bias,
                "onnx::Add_9": grid,
                "table": table,
            }.items()
        ],
    )
    path = tmp_path / "tiny.onnx"
    onnx.save(make.make_model(graph), str(path))

    found = read_onnx(path)
    assert set(found) == {"block.layer.0.fc1.weight", "block.layer.0.fc1.bias", "onnx::Add_9", "table"}
    np.testing.assert_array_equal(found["block.layer.0.fc1.weight"], weight)
    np.testing.assert_array_equal(found["block.layer.0.fc1.bias"], bias)
    np.testing.assert_array_equal(found["onnx::Add_9"], grid)
    np.testing.assert_array_equal(found["table"], table)


def test_a_torch_file_gives_its_tensors(tmp_path: Path):
    torch.save({"weight": torch.ones(2), "epoch": 3}, tmp_path / "state.pth")
    found = read_state(tmp_path / "state.pth")
    assert list(found) == ["weight"]
    assert torch.equal(found["weight"], torch.ones(2))


class Bomb:
    def __reduce__(self):
        return (Path.touch, (Path("ran"),))


def test_a_torch_file_cannot_run_code(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": Bomb()}, "state.pth")
    with pytest.raises(WeightsUnavailable, match=r"cannot read weights from .*Weights only load failed"):
        read_state(tmp_path / "state.pth")
    assert not Path("ran").exists()


def test_a_safetensors_file_gives_its_tensors(tmp_path: Path):
    save_file({"a": torch.arange(6).reshape(2, 3)}, tmp_path / "x.safetensors")
    assert torch.equal(read_state(tmp_path / "x.safetensors")["a"], torch.arange(6).reshape(2, 3))
