from __future__ import annotations

import json

import numpy as np
import pytest
from outputs_helpers import MakeItem
from safetensors import safe_open
from safetensors.numpy import load_file

from ovseg.errors import UsageError
from ovseg.outputs import FORMATS, RunContext


def test_scores_and_what_they_mean(context: RunContext, make_item: MakeItem) -> None:
    scores = np.random.default_rng(0).random((4, 2, 3))
    writer = FORMATS.get("scores")(context)
    writer.write(make_item(np.zeros((20, 30)), scores=scores, stem="a/x", size=(40, 60)))
    path = context.out / "scores/a/x.safetensors"
    tensors = load_file(path)
    assert list(tensors) == ["scores"]
    assert tensors["scores"].dtype == np.float16
    np.testing.assert_array_equal(tensors["scores"], scores.astype(np.float16))
    with safe_open(path, framework="numpy") as file:
        about = json.loads(file.metadata()["ovseg"])
    assert about == {"names": ["background", "cat", "grass", "<script>"], "size": [40, 60]}


def test_a_run_without_scores_is_told_so_before_the_first_image(context: RunContext) -> None:
    with pytest.raises(UsageError, match="run  ovseg segment --format scores"):
        FORMATS.get("scores")(RunContext(context.out, context.vocabulary))


def test_a_broken_promise_is_a_bug(context: RunContext, make_item: MakeItem) -> None:
    with pytest.raises(ValueError, match="promised scores"):
        FORMATS.get("scores")(context).write(make_item([[0]]))
