from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ovseg.errors import ConfigError
from ovseg.matching.affinity import PatchAffinity
from ovseg.matching.appearance import _COLOURS, SAMPLES, PatchAppearance, appearance_evidence
from ovseg.vocabulary.appearance import ASPECTS

FOCAL = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "red": (220, 20, 30),
    "green": (30, 150, 40),
    "yellow": (250, 220, 30),
    "blue": (30, 80, 200),
    "brown": (110, 70, 35),
    "orange": (255, 130, 20),
    "pink": (250, 150, 180),
    "purple": (120, 40, 150),
}


def test_every_colour_word_has_its_values():
    assert tuple(_COLOURS) == ASPECTS["colour"]


def flat(colour: tuple[int, int, int], height: int = 3, width: int = 2) -> PatchAppearance:
    return PatchAppearance.of(np.full((height * SAMPLES, width * SAMPLES, 3), colour, np.uint8))


def textured(amplitude: float) -> PatchAppearance:
    """One patch of a checkerboard around mid-grey, in the looks of its middle."""
    sign = np.indices((5 * SAMPLES, 5 * SAMPLES)).sum(0) % 2 * 2 - 1
    grey = (128 + amplitude * sign).astype(np.uint8)
    return PatchAppearance.of(np.repeat(grey[..., None], 3, 2))


@pytest.mark.parametrize(("word", "colour"), FOCAL.items())
def test_a_flat_colour_is_called_by_its_word(word, colour):
    appearance = flat(colour)
    assert appearance.colour.shape == (6, 11)
    names = {ASPECTS["colour"][i] for i in appearance.colour.argmax(1).tolist()}
    assert names == {word}


def test_shares_sum_to_one():
    rng = np.random.default_rng(0)
    appearance = PatchAppearance.of(rng.integers(0, 256, (7 * SAMPLES, 5 * SAMPLES, 3), dtype=np.uint8))
    for shares, words in ((appearance.colour, 11), (appearance.place, 3), (appearance.texture, 3)):
        assert shares.shape == (35, words)
        assert shares.dtype == torch.float32
        torch.testing.assert_close(shares.sum(1), torch.ones(35))
        assert shares.min() >= 0


def test_cells_run_row_by_row():
    pixels = np.zeros((2 * SAMPLES, 2 * SAMPLES, 3), np.uint8)
    pixels[:SAMPLES, SAMPLES:] = FOCAL["red"]
    pixels[SAMPLES:, :SAMPLES] = FOCAL["blue"]
    words = [ASPECTS["colour"][i] for i in PatchAppearance.of(pixels).colour.argmax(1).tolist()]
    assert words == ["black", "red", "blue", "black"]


def test_place_is_the_height_in_the_picture_and_symmetric():
    place = flat((0, 0, 0), height=9, width=2).place.reshape(9, 2, 3)
    assert torch.equal(place[:, 0], place[:, 1])
    assert place[:, 0].argmax(1).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    torch.testing.assert_close(place[:, 0], place[:, 0].flip(0, 1))


def test_one_row_of_cells_is_the_middle():
    assert flat((0, 0, 0), height=1).place.argmax(1).tolist() == [1, 1]


@pytest.mark.parametrize(("amplitude", "word"), [(0, "smooth"), (4, "fine"), (60, "rough")])
def test_texture_is_the_step_between_samples(amplitude, word):
    middle = textured(amplitude).texture.reshape(5, 5, 3)[2, 2]
    assert ASPECTS["texture"][int(middle.argmax())] == word


def test_a_saying_about_nothing_is_no_evidence():
    evidence = appearance_evidence(flat((1, 2, 3)), [(), ()])
    assert torch.equal(evidence, torch.zeros(6, 2))
    assert appearance_evidence(flat((1, 2, 3)), []).shape == (6, 0)


def test_evidence_of_a_sure_cell_by_hand():
    blue = ASPECTS["colour"].index("blue")
    appearance = PatchAppearance(
        torch.eye(11)[blue][None], torch.tensor([[1.0, 0, 0]]), torch.tensor([[0, 0, 1.0]])
    )
    specs = [
        ("colour: blue",),
        ("colour: blue, white",),  # 2/3 and 1/3
        ("colour: white, blue",),
        ("colour: red",),
        ("place: top, middle",),  # 1/2 and 1/2
        ("colour: blue", "place: top", "texture: smooth"),
    ]
    one_of = {
        "blue": math.log(0.85 * 11 + 0.15),
        "top": math.log(0.85 * 3 + 0.15),
        "never": math.log(0.15),
    }
    expected = [
        one_of["blue"],
        math.log(0.85 * 11 * 2 / 3 + 0.15),
        math.log(0.85 * 11 / 3 + 0.15),
        one_of["never"],
        math.log(0.85 * 3 / 2 + 0.15),
        one_of["blue"] + one_of["top"] + one_of["never"],
    ]
    torch.testing.assert_close(appearance_evidence(appearance, specs)[0], torch.tensor(expected))
    sure = appearance_evidence(appearance, [("colour: red",)], doubt=0.5)
    assert sure.item() == pytest.approx(math.log(0.5))


def test_a_sharp_saying_beats_a_broad_one_on_its_own_colour():
    evidence = appearance_evidence(
        flat(FOCAL["blue"]), [("colour: blue",), ("colour: white, grey, blue, green",), ()]
    )
    assert (evidence[:, 0] > evidence[:, 1]).all()
    assert (evidence[:, 0] > evidence[:, 2]).all()
    evidence = appearance_evidence(flat(FOCAL["red"]), [("colour: blue",), ("colour: blue, green, red",)])
    assert (evidence[:, 0] < 0).all()
    assert (evidence[:, 0] < evidence[:, 1]).all()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("smell: sweet", "appearance: unknown aspect in 'smell: sweet'; there is colour, place, texture"),
        ("blue", "appearance: unknown aspect in 'blue'; there is colour, place, texture"),
        ("place: left", "appearance: 'place: left' needs words of top, middle, bottom"),
        ("texture: smooth, silky", "appearance: 'texture: smooth, silky' needs words of smooth, fine, rough"),
        ("place: ,", "appearance: 'place: ,' needs words of top, middle, bottom"),
    ],
)
def test_words_that_pixels_cannot_be_asked_for(entry, message):
    with pytest.raises(ConfigError) as caught:
        appearance_evidence(flat((0, 0, 0)), [(entry,)])
    assert str(caught.value) == message


def test_propagation_between_unlike_patches_changes_nothing():
    appearance = PatchAppearance.of(np.random.default_rng(1).integers(0, 256, (8, 12, 3), dtype=np.uint8))
    same = appearance.propagate(PatchAffinity(torch.eye(6), 1e4))
    for name in ASPECTS:
        torch.testing.assert_close(getattr(same, name), getattr(appearance, name))


def test_propagation_mixes_patches_that_are_alike():
    appearance = flat((0, 0, 0), height=2, width=1).propagate(PatchAffinity(torch.ones(2, 3), 20.0))
    torch.testing.assert_close(appearance.place[0], appearance.place[1])


def test_pixels_are_not_changed():
    pixels = np.random.default_rng(2).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    before = pixels.copy()
    PatchAppearance.of(pixels)
    np.testing.assert_array_equal(pixels, before)
