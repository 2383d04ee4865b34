"""Training goes on exactly where it was stopped, and learns what it is given."""

import json
import os
from itertools import pairwise

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from learned_world.captions import names_in
from learned_world.scenes import SceneConfig
from learned_world.train import pool
from learned_world.train.ahead import ahead
from learned_world.train.contrast import cells_loss, contrastive_loss, positives
from learned_world.train.export import read_record, save_half, write_record
from learned_world.train.loop import Loop, LoopConfig, generator_of
from learned_world.train.pool import make_pool


def trained(folder, stops):
    """A line fitted to noise, with the loop stopped after each of ``stops`` steps; its state and average."""
    for steps in stops:
        torch.manual_seed(0)
        model = nn.Linear(3, 1)
        config = LoopConfig(steps=10, batch=8, rate=0.1, warmup=2, ema=0.9, save_every=1, seed=4)

        def loss_of(step, rng, model=model, steps=steps):
            if step == steps:
                raise KeyboardInterrupt
            x = torch.from_numpy(rng.standard_normal((8, 3), np.float32))
            return ((model(x) - x.sum(1, keepdim=True) - torch.randn(8, 1)) ** 2).mean()

        loop = Loop(model, config, folder / "state.safetensors")
        try:
            loop.run(loss_of)
        except KeyboardInterrupt:
            continue
    return {**model.state_dict(), **{f"average.{k}": v for k, v in loop.average.items()}}


def test_a_stopped_training_ends_with_the_same_weights(tmp_path):
    whole = trained(tmp_path / "whole", [10])
    parts = trained(tmp_path / "parts", [3, 7, 10])
    assert whole.keys() == parts.keys()
    for name, value in whole.items():
        assert torch.equal(value, parts[name]), name


def test_the_rate_rises_and_falls(tmp_path):
    loop = Loop(nn.Linear(1, 1), LoopConfig(steps=100, batch=1, rate=1.0, warmup=10), tmp_path / "x")
    shares = [loop._share(step) for step in range(100)]
    assert np.argmax(shares) in (9, 10)
    assert shares[0] == pytest.approx(0.1)
    assert shares[-1] < 0.02
    assert all(a >= b for a, b in pairwise(shares[10:]))


def test_a_caption_is_positive_for_every_picture_of_which_it_is_true():
    there = [frozenset({"cat", "snow", "red cat"}), frozenset({"cat", "sand"}), frozenset({"key", "snow"})]
    said = [names_in(text) for text in ("a red cat", "a cat", "a key on snow")]
    assert positives(said, there).tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]


def test_the_loss_is_least_where_true_pairs_are_near():
    match = torch.eye(3)
    near, scale = torch.eye(3), torch.tensor(20.0)
    right = contrastive_loss(near, near, scale, match)
    assert right < 1e-6
    assert contrastive_loss(near, near.roll(1, 0), scale, match) > 10
    # Two pictures of one name share its captions: half of the probability each is the best there is.
    shared = torch.tensor([[1.0, 1.0], [1.0, 1.0]])
    same = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert contrastive_loss(same, same, scale, shared) == pytest.approx(np.log(2), abs=1e-5)


def test_a_caption_that_does_not_compete_costs_nothing():
    match, scale = torch.eye(2), torch.tensor(20.0)
    alike = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert contrastive_loss(alike, alike, scale, match) == pytest.approx(np.log(2), abs=1e-5)
    # True ones take part whatever is said of them.
    assert contrastive_loss(alike, alike, scale, match, torch.zeros(2, 2, dtype=torch.bool)) < 1e-6
    one = torch.tensor([[True, True], [False, True]])
    assert contrastive_loss(alike, alike, scale, match, one) == pytest.approx(np.log(2) / 2, abs=1e-5)


def test_a_cell_that_names_something_else_costs_and_a_name_needs_cells():
    names, scale = torch.eye(3), torch.tensor(20.0)
    there = torch.tensor([[1.0, 0.0, 1.0]])
    good = torch.stack([*[names[0]] * 8, *[names[2]] * 8])[None]
    wrong = torch.stack([*[names[0]] * 8, *[names[1]] * 8])[None]
    every = torch.ones(1, 3, dtype=torch.bool)
    assert cells_loss(good, names, scale, there, every) < 1e-4
    assert cells_loss(wrong, names, scale, there, every) > 5
    # What no caption of that background ever says is not asked.
    rivals = torch.tensor([[True, False, True]])
    assert cells_loss(wrong, names, scale, there, rivals) < cells_loss(wrong, names, scale, there, every) - 5


def test_a_pool_is_kept_and_read_back(tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "_AT_ONCE", 4)
    made = make_pool(6, 3, tmp_path)
    read = make_pool(6, 3, tmp_path)
    again = make_pool(6, 3, workers=2)
    assert not np.array_equal(made.pixels, make_pool(6, 4, tmp_path).pixels)
    assert make_pool(6, 3, tmp_path, SceneConfig(side=32)).pixels.shape == (6, 32, 32, 3)
    for other in (read, again):
        assert np.array_equal(made.pixels, other.pixels)
        assert made.captions == other.captions
        assert made.metadata == other.metadata
    for texts, there in zip(made.captions, made.metadata, strict=True):
        assert all(names_in(text) <= there for text in texts)


def test_weights_are_written_in_half_precision_with_their_hash(tmp_path):
    save_half({"a": torch.tensor([1.0, 2.5]), "n": torch.tensor([3])}, tmp_path / "m.safetensors")
    found = load_file(tmp_path / "m.safetensors")
    assert found["a"].dtype == torch.float16
    assert found["a"].tolist() == [1.0, 2.5]
    assert found["n"].dtype == torch.int64
    write_record(tmp_path, "learned_world.train.x", {"steps": 1})
    record = json.loads((tmp_path / "training.json").read_text())
    assert record["command"].startswith("python -m learned_world.train.x")
    assert len(record["sha256"]["m.safetensors"]) == 64


def test_a_record_says_what_was_asked_for_and_not_where(tmp_path, monkeypatch):
    assert read_record(tmp_path) is None
    save_half({"a": torch.ones(1)}, tmp_path / "m.safetensors")
    given = ["x.py", "--workers", "2", "--work", "/a", "--steps=3", "--out=/b", "--seed", "1", "--out", "/c"]
    monkeypatch.setattr("sys.argv", given)
    write_record(tmp_path, "learned_world.train.x", {"steps": 3}, part={"command": "y"})
    assert json.loads((tmp_path / "training.json").read_text())["part"] == {"command": "y"}
    assert read_record(tmp_path) == {
        "command": "python -m learned_world.train.x --workers 2 --steps=3 --seed 1",
        "settings": {"steps": 3},
        "torch": torch.__version__,
    }
    monkeypatch.setattr("sys.argv", ["x.py"])
    write_record(tmp_path, "learned_world.train.x", {})
    assert read_record(tmp_path)["command"] == "python -m learned_world.train.x"
    save_half({"a": torch.zeros(1)}, tmp_path / "m.safetensors")
    assert read_record(tmp_path) is None  # that command made other weights


def test_a_late_cooldown_changes_nothing_before_it(tmp_path):
    def shares(steps):
        config = LoopConfig(steps=steps, batch=1, rate=1.0, warmup=10, cooldown=20)
        loop = Loop(nn.Linear(1, 1), config, tmp_path / "x")
        return [loop._share(step) for step in range(steps)]

    short, long = shares(60), shares(100)
    assert short[:40] == long[:40]
    assert short[10:40] == [1.0] * 30
    assert all(a > b for a, b in pairwise(short[40:]))
    assert short[-1] == pytest.approx(0.05)


class Drawn:
    """What a step draws, and in which process."""

    def __call__(self, step, rng):
        return step, torch.from_numpy(rng.standard_normal(3)), os.getpid()


# On a machine of one core torch advises against two processes.
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_what_is_made_ahead_is_what_would_be_made_in_time():
    in_time = list(ahead(Drawn(), 5, range(2, 9), 0))
    others = list(ahead(Drawn(), 5, range(2, 9), 2))
    assert [step for step, _, _ in others] == list(range(2, 9))
    for (step, found, here), (_, same, there) in zip(in_time, others, strict=True):
        assert torch.equal(found, same)
        assert torch.equal(found, torch.from_numpy(generator_of(5, step).standard_normal(3)))
        assert here == os.getpid() != there
