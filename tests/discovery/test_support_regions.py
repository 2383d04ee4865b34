from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ovseg.discovery.support import SupportConfig, SupportEvidence, find_support_regions
from ovseg.errors import ConfigError

GRID = (8, 10)
HORSE, SKY, GRASS, DOG = torch.eye(6)[:4]


def picture(what: torch.Tensor, *, rows: slice, columns: slice, seed: int) -> SupportEvidence:
    """A thing on sky and grass, its text probability high on it and faint around it."""
    noise = 0.1 * torch.randn(*GRID, 6, generator=torch.Generator().manual_seed(seed))
    tokens = noise + SKY
    tokens[4:] = noise[4:] + GRASS
    tokens[rows, columns] = noise[rows, columns] + what
    inside = torch.zeros(GRID, dtype=torch.bool)
    inside[rows, columns] = True
    text = torch.where(inside, 0.8, 0.05)
    return SupportEvidence(tokens.flatten(0, 1), GRID, text.flatten(), inside.float().flatten())


def horses() -> list[SupportEvidence]:
    return [picture(HORSE, rows=slice(2, 6), columns=slice(i, i + 4), seed=i) for i in range(1, 5)]


def truth(one: SupportEvidence) -> np.ndarray:
    assert one.foreground is not None
    return one.foreground.reshape(one.grid).numpy() > 0.5


def test_a_thing_is_its_object() -> None:
    for one, region in zip(horses(), find_support_regions(horses(), SupportConfig()), strict=True):
        assert region.rejected is None
        assert np.array_equal(region.foreground, truth(one))
        assert region.background.any()
        assert not (region.background & truth(one)).any()
        assert 0 < region.score <= 1


def test_background_keeps_a_cell_away_from_the_object() -> None:
    region = find_support_regions(horses()[:1], SupportConfig())[0]
    around = np.zeros(GRID, bool)
    around[1:7, 0:6] = True
    assert not (region.background & around).any()


def test_the_rider_is_not_the_horse() -> None:
    images = []
    for one in horses():
        tokens, text = one.tokens.clone().reshape(*GRID, 6), one.text.clone().reshape(GRID)
        foreground = torch.zeros(GRID)
        start = int(truth(one).any(axis=0).argmax())
        foreground[0:6, start : start + 4] = 1
        tokens[0:2, start : start + 4] = DOG
        text[0:2, start : start + 4] = 0.02
        images.append(
            replace(one, tokens=tokens.flatten(0, 1), text=text.flatten(), foreground=foreground.flatten())
        )
    for one, region in zip(horses(), find_support_regions(images, SupportConfig()), strict=True):
        assert np.array_equal(region.foreground, truth(one))


def test_stuff_is_the_whole_region_without_an_object() -> None:
    images = []
    for one in horses():
        text = torch.full(GRID, 0.05)
        text[:4] = 0.6
        text[2:4][torch.from_numpy(truth(one)[2:4])] = 0.01
        images.append(replace(one, text=text.flatten()))
    for one, region in zip(images, find_support_regions(images, SupportConfig(), stuff=True), strict=True):
        expected = ~truth(one)
        expected[4:] = False
        assert np.array_equal(region.foreground, expected)


def test_a_picture_that_shows_something_else_is_rejected() -> None:
    stranger = picture(DOG, rows=slice(2, 6), columns=slice(3, 7), seed=9)
    faint = replace(stranger, text=stranger.text * 0.1)
    found = find_support_regions([*horses(), faint], SupportConfig())
    assert [region.rejected is None for region in found] == [True] * 4 + [False]
    assert "no cell of the class" in str(found[-1].rejected)
    assert not found[-1].foreground.any()


def test_a_seed_that_disagrees_is_rejected() -> None:
    draw = torch.Generator().manual_seed(3)
    noise = replace(
        horses()[0], tokens=torch.randn(80, 6, generator=draw), text=torch.rand(80, generator=draw)
    )
    noise = replace(noise, tokens=torch.cat([noise.tokens[:, :0], -HORSE + 0.3 * noise.tokens], dim=1))
    found = find_support_regions([*horses(), noise], SupportConfig())
    assert "disagrees" in str(found[-1].rejected)


def test_coverage_has_bounds() -> None:
    whole = picture(HORSE, rows=slice(0, 8), columns=slice(0, 10), seed=0)
    speck = picture(HORSE, rows=slice(2, 3), columns=slice(2, 3), seed=0)
    config = SupportConfig(cosegment=False, least_cover=0.02)
    large, small = find_support_regions([whole, speck], config)
    assert "more than" in str(large.rejected)
    assert "less than" in str(small.rejected)
    assert find_support_regions([whole], config, stuff=True)[0].rejected is None


def test_attribution_decides_for_generated_pictures() -> None:
    one = horses()[0]
    shown = torch.zeros(GRID)
    shown[6:8, 0:3] = 1
    foreground = one.foreground.clone().reshape(GRID)  # type: ignore[union-attr]
    foreground[6:8, 0:3] = 1
    made = replace(one, attribution=shown.flatten(), foreground=foreground.flatten())
    region = find_support_regions([made], SupportConfig())[0]
    assert np.array_equal(region.foreground, shown.numpy() > 0)
    without = find_support_regions([replace(made, foreground=None)], SupportConfig())[0]
    assert np.array_equal(without.foreground, shown.numpy() > 0)


def test_a_full_mask_is_taken_as_it_is() -> None:
    mark = torch.zeros(GRID)
    mark[0:3, 0:3] = 1
    mark[3, 0:3] = 0.4
    region = find_support_regions([replace(horses()[0], mark=mark.flatten())], SupportConfig())[0]
    assert np.array_equal(region.foreground, mark.numpy() >= 0.5)
    assert not region.background[:4, :4].any()
    assert region.background[5:, :].all()
    assert region.score == 1


@pytest.mark.parametrize("negative", [True, False], ids=["with a mark of the rest", "with one mark only"])
def test_a_point_grows_to_its_object(negative: bool) -> None:
    one = horses()[0]
    mark = torch.full(GRID, float("nan"))
    mark[3, 2] = 1
    if negative:
        mark[0, 0], mark[7, 9] = 0, 0
    region = find_support_regions([replace(one, mark=mark.flatten())], SupportConfig())[0]
    assert np.array_equal(region.foreground, truth(one))
    assert not (region.background & truth(one)).any()


def test_marks_and_retrieved_pictures_keep_their_order() -> None:
    mark = torch.zeros(GRID)
    mark[0, 0] = 1
    marked = replace(horses()[0], mark=mark.flatten())
    found = find_support_regions([horses()[0], marked, horses()[1]], SupportConfig())
    assert found[1].foreground.sum() == 1
    assert np.array_equal(found[2].foreground, truth(horses()[1]))


def test_what_is_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"support\.low"):
        SupportConfig(low=0.6)
    with pytest.raises(ConfigError, match=r"support\.text"):
        SupportConfig(text=2)
    with pytest.raises(ValueError, match="do not match a grid"):
        SupportEvidence(torch.ones(5, 2), (2, 3), torch.ones(6))
    assert find_support_regions([], SupportConfig()) == []
