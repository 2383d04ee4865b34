"""The protocols' plain path against a slow one written from their description, and windows on a real
tower."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fake_encoders import ColourNames, ColourShape, fake_encoders

from ovseg.encoders.presets import LoadContext, Preset, PresetCard
from ovseg.errors import UsageError
from ovseg.evaluation.protocols import EvaluationProtocol
from ovseg.pipeline.protocol_predictor import ProtocolPredictor, protocol_size, words_of
from ovseg.vocabulary import ClassSpec, Vocabulary

CPU = torch.device("cpu")
PROTOCOL = EvaluationProtocol(
    "mini",
    "test",
    shorter_side=48,
    longer_side=200,
    crop=32,
    stride=16,
    pad_multiple=8,
    templates="simple",
    scale=40.0,
    threshold=0.5,
)
WORDS = Vocabulary(
    (ClassSpec("tomato", ("rose",)), ClassSpec("frog"), ClassSpec("whale")), background=("snow", "ash")
)
MEANT = {
    "tomato": (1.0, 0.1, 0.1), "rose": (0.9, 0.1, 0.4), "frog": (0.1, 1, 0.1), "whale": (0.1, 0.1, 1),
    "snow": (1.0, 1, 1), "ash": (0.5, 0.5, 0.4),
}  # fmt: skip


class CosineNames(ColourNames):
    """A patch's feature is the direction of its colour, which words share."""

    mean = (0.4, 0.5, 0.6)
    logit_scale = 25.0

    def encode_dense(self, images, proxy_features=None):
        self.images.append(tuple(images.shape))
        return F.normalize(F.avg_pool2d(images, self.multiple).permute(0, 2, 3, 1) + 0.01, dim=-1)

    def encode_words(self, words, templates=None):
        self.templates = templates
        return F.normalize(torch.tensor([MEANT[word] for word in words]), dim=-1)

    def describe(self):
        return {"name": "colours"}


def dataset(background=True, classes=3):
    names = ("background",) * background + ("tomato", "frog", "whale")[:classes]
    return SimpleNamespace(
        has_background=background,
        classes=names,
        foreground=names[background:],
        card=SimpleNamespace(name="test"),
    )


def colours() -> Preset:
    encoders = {"image_text": CosineNames(), "backbone": ColourShape()}
    return Preset(PresetCard("colours", ""), LoadContext(), encoders)


def predictor(protocol=PROTOCOL, background=True, **options) -> ProtocolPredictor:
    return ProtocolPredictor(colours(), WORDS, dataset(background), protocol, **options)


def photo(height, width, seed=0) -> np.ndarray:
    """Blocks of colour with noise."""
    generator = np.random.default_rng(seed)
    colours = np.array([*MEANT.values()])[generator.integers(0, len(MEANT), (3, 4))]
    rows, columns = np.arange(height) * 3 // height, np.arange(width) * 4 // width
    noise = generator.normal(0, 0.05, (height, width, 3))
    return ((colours[rows][:, columns] + noise).clip(0, 1) * 255).astype(np.uint8)


def slow_scores(pixels: np.ndarray, background: bool) -> np.ndarray:
    """(K, H, W) scores, one window and one word at a time."""
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    height, width = pixels.shape[:2]
    scale = min(200 / max(height, width), 48 / min(height, width))
    size = (int(height * scale + 0.5), int(width * scale + 0.5))
    image = F.interpolate(image, size=size, mode="bilinear").round() / 255
    groups = ([["snow", "ash"]] if background else []) + [["tomato", "rose"], ["frog"], ["whale"]]
    words = [word for group in groups for word in group]
    text = np.array([MEANT[word] for word in words])
    text /= np.linalg.norm(text, axis=1, keepdims=True)
    total, count = np.zeros((len(words), *size)), np.zeros(size)
    names = CosineNames()
    steps = [max(length - 32 + 16 - 1, 0) // 16 + 1 for length in size]
    for i in range(steps[0]):
        for j in range(steps[1]):
            bottom, right = min(i * 16 + 32, size[0]), min(j * 16 + 32, size[1])
            top, left = max(bottom - 32, 0), max(right - 32, 0)
            window = image[:, :, top:bottom, left:right]
            extra = [-length % 8 for length in window.shape[-2:]]
            before = [length // 2 for length in extra]
            framed = (
                torch.tensor(names.mean)
                .view(1, 3, 1, 1)
                .repeat(1, 1, window.shape[2] + extra[0], window.shape[3] + extra[1])
            )
            inside = (slice(before[0], before[0] + bottom - top), slice(before[1], before[1] + right - left))
            framed[..., inside[0], inside[1]] = window
            patches = names.encode_dense(framed)[0].numpy()
            planes = torch.tensor(np.einsum("hwd,td->thw", patches, text))[None]
            planes = F.interpolate(planes, size=framed.shape[-2:], mode="bilinear")[0].numpy()
            total[:, top:bottom, left:right] += planes[:, inside[0], inside[1]]
            count[top:bottom, left:right] += 1
    cosines = torch.tensor(total / count)[None]
    logits = 40 * F.interpolate(cosines, size=(height, width), mode="bilinear")[0].numpy()
    probabilities = np.exp(logits) / np.exp(logits).sum(0)
    scores, at = [], 0
    for group in groups:
        scores.append(probabilities[at : at + len(group)].max(0))
        at += len(group)
    return np.array(scores)


@pytest.mark.parametrize("size", [(60, 90), (90, 60), (40, 170), (20, 300), (51, 47)])
@pytest.mark.parametrize("background", [True, False])
def test_it_does_what_the_protocol_says(size, background):
    pixels = photo(*size)
    (found,) = predictor(background=background).predict([pixels])
    scores = slow_scores(pixels, background)
    expected = scores.argmax(0)
    if background:
        expected[scores.max(0) < 0.5] = 0
        assert 0.02 < (scores.max(0) < 0.5).mean() < 0.98
    top = np.sort(scores, axis=0)
    sure = top[-1] - top[-2] > 1e-3
    if background:
        sure &= np.abs(top[-1] - 0.5) > 1e-3
    assert sure.mean() > 0.9
    assert np.array_equal(found.labels[sure], expected[sure])
    np.testing.assert_allclose(found.confidence, top[-1], atol=2e-3)
    assert found.labels.shape == size


def test_words_know_their_class():
    words, owners = words_of(WORDS, background=True)
    assert words == ["snow", "ash", "tomato", "rose", "frog", "whale"]
    assert owners.tolist() == [0, 0, 1, 1, 2, 3]
    words, owners = words_of(WORDS, background=False)
    assert (words[0], owners.tolist()) == ("tomato", [0, 0, 1, 2])


def test_sizes_keep_the_rule_of_the_longer_side():
    assert protocol_size(300, 400, PROTOCOL) == (48, 64)
    assert protocol_size(100, 1000, PROTOCOL) == (20, 200)
    assert protocol_size(300, 400, EvaluationProtocol("plain", "test")) == (300, 400)


def test_the_answer_does_not_depend_on_batches_or_order():
    photos = [photo(60, 90, 1), photo(48, 48, 2), photo(40, 120, 3)]
    reduction = predictor(at_once=3).cosines(photos)
    for at_once in (1, 100):
        backwards = predictor(at_once=at_once).cosines(photos[::-1])[::-1]
        for one, other in zip(reduction, backwards, strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_templates_and_factor_are_the_protocols_or_else_the_encoders():
    ready = predictor()
    assert ready._encoders.image_text.templates == "simple"
    assert ready.describe()["scale"] == 40.0
    own = predictor(EvaluationProtocol("mini", "test", crop=32, stride=16))
    assert own.describe()["scale"] == 25.0


def test_encoders_without_cosines_are_refused():
    with pytest.raises(UsageError, match=r"which preset .* has not"):
        ProtocolPredictor(fake_encoders(), WORDS, dataset(), PROTOCOL)


def test_a_vocabulary_of_other_classes_is_refused():
    with pytest.raises(UsageError, match="has 3 classes, test has 2"):
        ProtocolPredictor(colours(), WORDS, dataset(classes=2), PROTOCOL)
