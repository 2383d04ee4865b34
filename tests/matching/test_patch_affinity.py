from __future__ import annotations

import pytest
import torch

from ovseg.matching import affinity
from ovseg.matching.affinity import PatchAffinity, softmax_affinity


def test_affinities_are_attention_over_cosines():
    features = torch.tensor([[2.0, 0], [0, 3.0], [5.0, 0]])
    found = softmax_affinity(features, 2.0)
    like, differing = torch.tensor(2.0).exp(), torch.tensor(0.0).exp()
    first = torch.stack([like, differing, like]) / (2 * like + differing)
    torch.testing.assert_close(found[0], first)
    torch.testing.assert_close(found[2], first)
    torch.testing.assert_close(found.sum(1), torch.ones(3))
    assert found.dtype == softmax_affinity(features.bfloat16(), 2.0).dtype == torch.float32


def test_sharp_affinities_keep_each_patch_to_itself():
    features = torch.randn(5, 16, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(softmax_affinity(features, 1e4), torch.eye(5))
    torch.testing.assert_close(softmax_affinity(features, 0.0), torch.full((5, 5), 0.2))


def test_the_affinity_of_an_image_is_computed_once_and_only_if_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []

    def counted(features: torch.Tensor, sharpness: float) -> torch.Tensor:
        calls.append(sharpness)
        return softmax_affinity(features, sharpness)

    monkeypatch.setattr(affinity, "softmax_affinity", counted)
    tokens = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    found = PatchAffinity(tokens, 20.0)
    assert calls == []
    values = torch.eye(6)
    torch.testing.assert_close(found.propagate(values), softmax_affinity(tokens, 20.0))
    found.propagate(values)
    assert calls == [20.0]
    assert PatchAffinity(tokens, 0.0).propagate(values) is values
