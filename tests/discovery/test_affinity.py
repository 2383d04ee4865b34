from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import dense_weights, planted_features

from ovseg.discovery import affinity as module
from ovseg.discovery.affinity import build_affinity, image_affinity
from ovseg.discovery.config import DiscoveryConfig


def full(affinity: module.Affinity) -> torch.Tensor:
    """(B, N, N) of an affinity, column by column."""
    return affinity.product(torch.eye(affinity.size).expand(affinity.batch, -1, -1))


def test_two_pairs_of_cells_by_hand() -> None:
    features = torch.tensor([[[1.0, 0.0], [2.0, 0.1], [0.0, 1.0], [0.0, 3.0]]])
    weights = full(build_affinity(features, 0.5, 0.01))[0]
    same = torch.tensor([[1.0, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]])
    assert torch.allclose(weights, torch.where(same > 0, 1.0, 0.01))


@settings(max_examples=40)
@given(
    batch=st.integers(1, 3),
    size=st.integers(1, 33),
    rows=st.integers(1, 40),
    tau=st.floats(-0.9, 0.9),
    floats=st.booleans(),
)
def test_blocks_of_any_height_hold_the_dense_matrix(
    batch: int, size: int, rows: int, tau: float, floats: bool
) -> None:
    features = torch.randn(batch, size, 8, generator=torch.Generator().manual_seed(size))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "FLOAT_BYTES", 1 << 30 if floats else 0)
        affinity = build_affinity(features, tau, 1e-3, block_rows=rows)
    assert affinity.blocks[0].dtype == (torch.float32 if floats else torch.uint8)
    for image, weights in zip(features, full(affinity), strict=True):
        expected = torch.from_numpy(dense_weights(image, tau, 1e-3)).float()
        # Cosines within rounding of tau may fall on either side: blocks are other products than the whole.
        cosine = torch.nn.functional.normalize(image, dim=1)
        clear = (cosine @ cosine.T - tau).abs() > 1e-5
        assert torch.allclose(weights[clear], expected[clear], atol=1e-6)


def test_half_precision_features_are_taken() -> None:
    features = planted_features([5, 7], 0.2, seed=0)[None]
    wide = full(build_affinity(features, 0.5, 1e-5))
    for dtype in (torch.bfloat16, torch.float16):
        assert torch.equal(full(build_affinity(features.to(dtype), 0.5, 1e-5)), wide)


def test_a_cell_without_features_is_linked_to_nothing() -> None:
    features = torch.ones(1, 3, 4)
    features[0, 1] = 0
    weights = full(build_affinity(features, 0.2, 0.01))[0]
    assert torch.allclose(weights[1], torch.full((3,), 0.01))


def test_upper_triangle_takes_half_the_memory() -> None:
    affinity = build_affinity(torch.randn(1, 512, 4), 0.2, 1e-5, block_rows=32)
    assert sum(block.nbytes for block in affinity.blocks) < 0.55 * 4 * 512**2


@pytest.mark.parametrize("size", [1, 63, 300])
def test_triangle_and_blocks_say_the_same(size: int) -> None:
    features = torch.randn(2, size, 8, generator=torch.Generator().manual_seed(size))
    affinity, blocks = build_affinity(features, 0.3, 1e-3), build_affinity(features, 0.3, 1e-3, block_rows=17)
    assert affinity.triangle
    assert not blocks.triangle
    x = torch.randn(2, size, 3)
    assert torch.allclose(affinity.product(x), blocks.product(x), atol=1e-3)
    vectors = x[..., 0].contiguous()
    expected = blocks.product(x)[..., 0]
    for one in (affinity, blocks):
        assert torch.allclose(torch.from_numpy(one.times(vectors.numpy())), expected, atol=1e-3)
        assert torch.allclose(one.times(vectors), expected, atol=1e-3)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_tau_follows_from_the_share_of_linked_pairs(share: float) -> None:
    features = torch.randn(20, 30, 16, generator=torch.Generator().manual_seed(1)) + 3
    affinity = image_affinity(features, DiscoveryConfig(density=share))
    assert full(affinity).mean().item() == pytest.approx(share, abs=0.02)


def test_equal_cells_are_linked_whatever_share_is_asked_for() -> None:
    assert bool((full(image_affinity(torch.ones(4, 5, 3), DiscoveryConfig(density=0.5))) == 1).all())
    with pytest.raises(ValueError, match="NaN or infinite"):
        image_affinity(torch.full((4, 5, 3), float("nan")), DiscoveryConfig(density=0.5))


def test_tau_is_taken_as_given_without_a_share() -> None:
    features = torch.randn(4, 5, 8, generator=torch.Generator().manual_seed(2))
    config = DiscoveryConfig(tau=0.1, epsilon=1e-3)
    expected = build_affinity(features.flatten(0, 1)[None], 0.1, 1e-3)
    assert torch.equal(full(image_affinity(features, config)), full(expected))


@pytest.mark.parametrize(
    ("features", "tau", "epsilon", "message"),
    [
        (torch.ones(3, 4), 0.2, 1e-5, "expected features of shape"),
        (torch.ones(1, 0, 4), 0.2, 1e-5, "none of them 0"),
        (torch.full((1, 2, 4), float("nan")), 0.2, 1e-5, "NaN or infinite"),
        (torch.full((1, 2, 4), float("inf")), 0.2, 1e-5, "NaN or infinite"),
        (torch.ones(1, 2, 4), 1.0, 1e-5, "tau in"),
        (torch.ones(1, 2, 4), 0.2, 0.0, "epsilon in"),
    ],
)
def test_what_is_no_affinity_is_refused(
    features: torch.Tensor, tau: float, epsilon: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build_affinity(features, tau, epsilon)
