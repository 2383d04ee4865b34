"""The source ``auto``: the pool where it holds the class, the model where it does not, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from ovseg.errors import ConfigError, WeightsUnavailable
from ovseg.support.auto import AutoConfig, AutoSource
from ovseg.support.base import Origin, SupportImage
from ovseg.vocabulary import ClassSpec

CAT, DOG = ClassSpec("cat"), ClassSpec("dog")


class PhotoFilter:
    """A source with so many images of given margins for each class.

    Attributes:
        requests: Names that were asked for.
    """

    def __init__(self, name: str, margins: dict[str, list[float | None]]) -> None:
        self.name = name
        self.margins = margins
        self.requests: list[str] = []

    def images(self, spec: ClassSpec, shots: int) -> Iterator[SupportImage]:
        self.requests.append(spec.name)
        for number, margin in enumerate(self.margins.get(spec.name, [])[:shots]):
            details = {} if margin is None else {"margin": margin}
            origin = Origin(self.name, f"{spec.name}/{number}", "0" * 64, "CC0", details)
            yield SupportImage(np.zeros((4, 4, 3), np.uint8), origin)

    def describe(self) -> dict[str, Any]:
        return {"source": self.name}


def source_of(
    margins: dict[str, list[float | None]], **settings: Any
) -> tuple[AutoSource, PhotoFilter, list[str]]:
    pool = PhotoFilter("retrieval", margins)
    model = PhotoFilter("diffusion", {"cat": [1.0] * 8, "dog": [1.0] * 8})
    lines: list[str] = []
    source = AutoSource(pool, lambda: model, {"model": "x"}, AutoConfig(**settings), lines.append)
    return source, model, lines


def test_the_pool_where_it_holds_the_class():
    source, model, lines = source_of({"cat": [4.0, 3.0, 2.5, 0.1], "dog": [3.0]})
    images = list(source.images(CAT, 4))
    assert [image.origin.source for image in images] == ["retrieval"] * 3
    assert images[0].origin.details == {"margin": 4.0, "auto": "3 photos of the pool surely show it"}
    assert lines == ["cat: retrieved, since 3 photos of the pool surely show it"]
    assert model.requests == []


def test_the_model_where_it_does_not():
    source, model, lines = source_of({"dog": [2.5, 0.0, -2.0]})
    images = list(source.images(DOG, 4))
    assert [image.origin.source for image in images] == ["diffusion"] * 4
    assert images[0].origin.details["auto"] == "1 photos of the pool surely show it, and 3 should"
    assert lines == ["dog: generated, since 1 photos of the pool surely show it, and 3 should"]
    assert model.requests == ["dog"]


@pytest.mark.parametrize(
    ("margins", "shots", "settings", "chosen"),
    [
        ([2.0, 2.0, 2.0], 8, {}, "retrieval"),
        ([2.0, 2.0, 1.9], 8, {}, "diffusion"),
        ([2.0, 2.0, 1.9], 2, {}, "retrieval"),  # two are enough where two are wanted
        ([2.0, 2.0, 1.9], 8, {"margin": 1.5}, "retrieval"),
        ([3.0, 3.0, 3.0], 8, {"least": 4}, "diffusion"),
        ([None, None, None], 8, {}, "retrieval"),  # a source that does not say is certain
        ([], 8, {}, "diffusion"),
    ],
)
def test_a_class_is_generated_where_the_pool_holds_too_little(margins, shots, settings, chosen):
    source, _, _ = source_of({"cat": margins}, **settings)
    assert source.choose(CAT, shots).source == chosen


def test_a_model_that_is_not_here_matters_only_where_it_is_needed():
    pool = PhotoFilter("retrieval", {"cat": [3.0] * 3})

    def missing() -> Any:
        raise WeightsUnavailable("model x is not on this machine")

    source = AutoSource(pool, missing, {"model": "x"})
    assert len(list(source.images(CAT, 3))) == 3
    with pytest.raises(
        WeightsUnavailable, match=r"dog must be generated \(no photos .*\), but model x is not"
    ):
        list(source.images(DOG, 3))


def test_describe_tells_both_sources_and_the_rule():
    source, _, _ = source_of({}, least=2)
    told = source.describe()
    assert told["retrieval"] == {"source": "retrieval"}
    assert told["generation"] == {"model": "x"}
    assert (told["least"], told["margin"]) == (2, 2.0)


@pytest.mark.parametrize("settings", [{"least": 0}, {"margin": float("nan")}])
def test_settings_out_of_range(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        AutoConfig(**settings)
