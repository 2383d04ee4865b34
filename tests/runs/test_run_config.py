"""The settings of a run are checked where they are made."""

from __future__ import annotations

from typing import Any

import pytest

from ovseg.errors import ConfigError
from ovseg.images import ImageLimits
from ovseg.runs import RunConfig, parse_shard


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"formats": ()}, "formats is empty"),
        ({"formats": ("png", "png")}, "formats names one twice: png, png"),
        ({"batch_size": -1}, "batch_size must be at least 0, not -1"),
        ({"workers": 0}, "workers must be at least 1, not 0"),
        ({"limit": 0}, "limit must be at least 1, not 0"),
        ({"shard": (0, 2)}, "shard must be I/N with I from 1 to N, not 0/2"),
        ({"shard": (3, 2)}, "shard must be I/N with I from 1 to N, not 3/2"),
        ({"images": ImageLimits(working_pixels=0)}, "working_pixels must be at least 1, not 0"),
        ({"images": ImageLimits(bomb_pixels=0)}, "bomb_pixels must be at least 1, not 0"),
    ],
)
def test_values_out_of_range(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RunConfig(**values)


def test_shards_are_read_and_malformed_ones_refused() -> None:
    assert parse_shard("2/8") == (2, 8)
    for text in ("2", "2/", "/8", "a/b", "2/8/3", "-1/2", ""):
        with pytest.raises(ConfigError, match="shard must be I/N"):
            parse_shard(text)
