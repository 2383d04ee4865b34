from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ovseg.config import FusionConfig
from ovseg.matching.prompts import TextClassifier, prompt_table
from ovseg.matching.text_scores import fuse_text, likely_classes, rule_out
from ovseg.vocabulary import ClassSpec, Vocabulary

PLAIN = FusionConfig(
    image_gate=0,
    thing_stuff_prior=1,
    background_thing_weight=1,
    background_stuff_weight=1,
    prior_correction=1,
    stuff_bias=0,
    stuff_appearance=0,
    thing_appearance=0,
)
"""Settings under which little but the prompts is left, so that cases can be worked out by hand."""


@dataclass(frozen=True)
class Evidence:
    """What is known of the patches of an image, as ``fuse_text`` takes it."""

    text: torch.Tensor
    image: torch.Tensor
    class_prior: torch.Tensor
    foreground: torch.Tensor | None
    appearance: torch.Tensor

    def fused(
        self, stuff: torch.Tensor, classes: int, config: FusionConfig, *, background: bool
    ) -> torch.Tensor:
        specs = [ClassSpec(f"class {index}") for index in range(len(stuff))]
        vocabulary = Vocabulary(tuple(specs[:classes]), has_background=background)
        table = prompt_table(vocabulary, specs[classes:])
        classifier = TextClassifier(vocabulary, table, lambda features: features, self.class_prior, stuff)
        return fuse_text(self.text, self.image, self.appearance, self.foreground, classifier, config)


def evidence(
    text: list[list[float]],
    *,
    image: list[float] | None = None,
    class_prior: list[float] | None = None,
    foreground: list[float] | None = None,
    appearance: list[list[float]] | None = None,
) -> Evidence:
    rows = torch.tensor(text)
    groups = rows.shape[1]
    return Evidence(
        text=rows,
        image=torch.tensor(image or [1 / groups] * groups),
        class_prior=torch.tensor(class_prior or [1 / groups] * groups),
        foreground=None if foreground is None else torch.tensor(foreground),
        appearance=torch.zeros_like(rows) if appearance is None else torch.tensor(appearance),
    )


def fused(
    seen: Evidence, stuff: list[bool], classes: int, config: FusionConfig = PLAIN, background: bool = True
):
    return seen.fused(torch.tensor(stuff), classes, config, background=background)


def close(found: torch.Tensor, expected: list[list[float]], tolerance: float = 1e-5) -> None:
    torch.testing.assert_close(found, torch.tensor(expected), atol=tolerance, rtol=0)


def test_two_things_are_told_apart_by_the_text():
    close(fused(evidence([[0.8, 0.2], [0.3, 0.7]]), [False, False], 2), [[0, 0.8, 0.2], [0, 0.3, 0.7]])


def test_a_background_thing_is_background():
    close(fused(evidence([[0.8, 0.2], [0.3, 0.7]]), [False, False], 1), [[0.2, 0.8], [0.7, 0.3]])


def test_a_background_word_for_stuff_is_background():
    seen = evidence([[0.6, 0.4]])
    close(fused(seen, [False, True], 1), [[0.4, 0.6]])


def test_without_background_the_words_behind_the_classes_take_nothing():
    seen = evidence([[0.1, 0.3, 0.5, 0.1]])
    close(fused(seen, [False, False, False, True], 2, background=False), [[0, 0.25, 0.75]])


@pytest.mark.parametrize(("front", "thing"), [(0.9, 0.9), (0.5, 0.5), (0.2, 0.2), (1.0, 0.99), (0.0, 0.01)])
def test_foreground_decides_between_thing_and_stuff(front, thing):
    close(fused(evidence([[0.5, 0.5]], foreground=[front]), [False, True], 2), [[0, thing, 1 - thing]])


def test_foreground_and_text_are_weighed_as_odds():
    # Odds of the text 3 : 1, of the foreground 1 : 4.
    close(fused(evidence([[0.75, 0.25]], foreground=[0.2]), [False, True], 2), [[0, 3 / 7, 4 / 7]])


def test_stuff_gains_where_every_pixel_has_a_name():
    seen, config = evidence([[0.5, 0.5]], foreground=[0.5]), replace(PLAIN, stuff_bias=math.log(3))
    close(fused(seen, [False, True], 2, config, background=False), [[0, 1 / 4, 3 / 4]])
    close(fused(seen, [False, True], 2, config), [[0, 1 / 2, 1 / 2]])
    # Among things alone there is nothing to gain.
    close(fused(seen, [False, False], 2, config, background=False), [[0, 1 / 2, 1 / 2]])


def test_no_thing_stuff_prior_leaves_the_kind_to_the_foreground():
    seen = evidence([[0.99, 0.01]], foreground=[0.3])
    close(fused(seen, [False, True], 2, replace(PLAIN, thing_stuff_prior=0)), [[0, 0.3, 0.7]])


def test_foreground_says_nothing_where_there_is_one_kind():
    seen = evidence([[0.8, 0.2]], foreground=[0.1])
    for stuff in (False, True):
        without = fused(replace(seen, foreground=None), [stuff, stuff], 2)
        assert torch.equal(fused(seen, [stuff, stuff], 2), without)


def test_stuff_is_told_apart_relative_to_its_class_prior():
    # 0.2 where 0.1 is usual says more than 0.6 where 0.6 is usual; both are lifted by the floor of 0.001.
    seen = evidence([[0.2, 0.6]], class_prior=[0.1, 0.6])
    close(fused(seen, [True, True], 2), [[0, 2.001 / 3.002, 1.001 / 3.002]])
    close(fused(seen, [True, True], 2, replace(PLAIN, prior_correction=0)), [[0, 0.5, 0.5]])


def test_appearance_counts_among_stuff_and_by_their_own_weight_among_things():
    seen = evidence([[0.5, 0.5]], appearance=[[math.log(4.0), 0.0]])
    for stuff, key in ((True, "stuff_appearance"), (False, "thing_appearance")):
        kinds = [stuff, stuff]
        close(fused(seen, kinds, 2, PLAIN), [[0, 0.5, 0.5]])
        close(fused(seen, kinds, 2, replace(PLAIN, **{key: 1.0})), [[0, 0.8, 0.2]])
        close(fused(seen, kinds, 2, replace(PLAIN, **{key: 0.5})), [[0, 2 / 3, 1 / 3]])


def test_only_the_best_of_many_background_stuffs_is_a_rival():
    seen = evidence([[0.25, 0.25, 0.25, 0.25]])
    one = evidence([[0.25, 0.25]], class_prior=[0.25, 0.25])
    close(fused(one, [True, True], 1), [[0.5, 0.5]])
    found = fused(
        replace(seen, appearance=torch.tensor([[0, 0.0, -1, -2]])),
        [True] * 4,
        1,
        replace(PLAIN, stuff_appearance=1),
    )
    close(found, [[0.5, 0.5]])


def test_weights_of_background_words():
    things = fused(evidence([[0.5, 0.5]]), [False, False], 1, replace(PLAIN, background_thing_weight=0.25))
    close(things, [[0.2, 0.8]])
    stuff = fused(evidence([[0.5, 0.5]]), [True, True], 1, replace(PLAIN, background_stuff_weight=0.25))
    close(stuff, [[0.2, 0.8]])


def test_the_gate_lowers_things_that_the_whole_image_does_not_show():
    seen = evidence([[0.4, 0.4, 0.2]], image=[0.8, 0.2, 0.9])
    config = replace(PLAIN, image_gate=0.5)
    # Factors 1, (1/4) ** 0.5 and 1 for the background word, on 0.4, 0.4 and 0.2.
    close(fused(seen, [False] * 3, 2, config), [[0.25, 0.5, 0.25]])
    close(fused(seen, [False] * 3, 2, config, background=False), [[0, 0.5, 0.5]])
    assert torch.equal(fused(seen, [True] * 3, 2, config), fused(seen, [True] * 3, 2))


@st.composite
def cases(draw):
    """Any evidence, from plain to degenerate: zeros, certainty, one kind only, no foreground."""
    groups, patches = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    number = st.sampled_from([0.0, 1e-30, 1e-12, 1e-6, 0.1, 0.5, 1.0])
    row = st.lists(number, min_size=groups, max_size=groups)
    rows = st.lists(row, min_size=patches, max_size=patches)
    seen = Evidence(
        text=torch.tensor(draw(rows)),
        image=torch.tensor(draw(row)),
        class_prior=torch.tensor(draw(row)),
        foreground=draw(
            st.none()
            | st.lists(st.floats(0, 1, width=32), min_size=patches, max_size=patches).map(torch.tensor)
        ),
        appearance=torch.tensor(draw(st.lists(st.lists(st.floats(-6, 6), min_size=groups, max_size=groups),
                                         min_size=patches, max_size=patches))),
    )  # fmt: skip
    stuff = torch.tensor(draw(st.lists(st.booleans(), min_size=groups, max_size=groups)))
    weight = st.sampled_from([0.0, 0.2, 1.0, 3.0])
    config = FusionConfig(
        **{
            key: draw(weight)
            for key in (
                "image_gate",
                "thing_stuff_prior",
                "background_thing_weight",
                "background_stuff_weight",
                "prior_correction",
                "stuff_appearance",
                "thing_appearance",
            )
        }
    )
    return seen, stuff, draw(st.integers(1, groups)), draw(st.booleans()), config


@given(cases())
@settings(max_examples=400)
def test_scores_are_probabilities_whatever_the_evidence(case):
    seen, stuff, classes, background, config = case
    found = seen.fused(stuff, classes, config, background=background)
    assert found.shape == (len(seen.text), classes + 1)
    assert found.isfinite().all()
    assert found.min() >= 0
    torch.testing.assert_close(found.sum(1), torch.ones(len(found)), atol=1e-4, rtol=0)
    if not background:
        assert (found[:, 0] == 0).all()


def test_evidence_is_not_changed():
    seen = evidence([[0.3, 0.3, 0.4]], foreground=[0.0], appearance=[[1.0, 0, 0]])
    before = seen.text.clone(), seen.foreground.clone(), seen.appearance.clone()
    fused(seen, [False, True, True], 1, FusionConfig())
    assert all(
        torch.equal(a, b) for a, b in zip(before, (seen.text, seen.foreground, seen.appearance), strict=True)
    )


def test_the_category_filter_keeps_the_mass_and_all_stuff() -> None:
    image = torch.tensor([0.5, 0.3, 0.15, 0.04, 0.01])
    things = torch.tensor([True, True, True, True, False])
    assert likely_classes(image, things, 0.8).tolist() == [True, True, False, False, True]
    assert likely_classes(image, things, 1.0).all()
    assert likely_classes(torch.full((400,), 1 / 400), torch.ones(400, dtype=torch.bool), 0.9).sum() == 360


def test_ruled_out_classes_have_no_score() -> None:
    scores = torch.tensor([[0.2, 0.4, 0.4], [0.0, 1.0, 0.0]])
    kept = rule_out(scores, torch.tensor([False, True]))
    assert torch.allclose(kept, torch.tensor([[1 / 3, 0, 2 / 3], [0, 0, 1.0]]))
