"""Windows over real towers, in every way of reading them: no seams, nothing cut, no dependence on company."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from clip_models import MEAN, STD, TINY, seeded_tower, tiny_model
from fake_encoders import ColourShape

from ovseg.config import EncodingConfig
from ovseg.encoders.clip.encoder import ClipConfig, ClipEncoder
from ovseg.encoders.clip.load import LoadedClip
from ovseg.encoders.clip.variants import DENSE_VARIANTS
from ovseg.encoders.presets import LoadContext, Preset, PresetCard
from ovseg.evaluation.protocols import EvaluationProtocol, protocol_for
from ovseg.pipeline.encode import encode_image
from ovseg.pipeline.protocol_predictor import ProtocolPredictor
from ovseg.pipeline.timer import Timer
from ovseg.vocabulary import ClassSpec, Vocabulary

CPU = torch.device("cpu")
WORDS = Vocabulary((ClassSpec("tomato", ("rose",)), ClassSpec("frog")), background=("snow",))
MINI = EvaluationProtocol(
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
REAL = protocol_for("sclip", "voc21", background=True)
DATASET = SimpleNamespace(
    has_background=True,
    classes=("background", "tomato", "frog"),
    foreground=("tomato", "frog"),
    card=SimpleNamespace(name="test"),
)


def encoders(variant: str, model) -> Preset:
    from open_clip.tokenizer import SimpleTokenizer

    tokenize = SimpleTokenizer(context_length=TINY["text_cfg"]["context_length"])
    clip = LoadedClip(model, tokenize, MEAN, STD, {"sha256": "seed 0"})
    context = LoadContext(cache_dir=None)
    image_text = ClipEncoder(clip, context, ClipConfig(variant))
    return Preset(PresetCard("tower", ""), context, {"image_text": image_text, "backbone": ColourShape()})


def real_model():
    """ViT-B/16 as open_clip has it, with seeded weights, beside a small text scores of the same width."""
    model = tiny_model(TINY | {"embed_dim": 512})
    model.visual = seeded_tower("ViT-B-16")
    return model


def without_places(model):
    """The model with nothing in its tokens that tells one patch of a grey image from another."""
    visual = model.visual
    with torch.no_grad():
        visual.positional_embedding.zero_()
        side = visual.conv1.kernel_size[0]
        grey = (torch.full((3,), 90 / 255) - torch.tensor(MEAN)) / torch.tensor(STD)
        patch = grey.view(1, 3, 1, 1).expand(1, 3, side, side)
        # The class token too: NACLIP's patches see it the more, the fewer neighbours they have.
        visual.class_embedding.copy_(visual.conv1(patch).flatten())
    return model


def photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Blocks of colour with noise."""
    generator = np.random.default_rng(seed)
    colours = generator.integers(0, 256, (3, 4, 3))
    rows, columns = np.arange(height) * 3 // height, np.arange(width) * 4 // width
    noise = generator.normal(0, 12, (height, width, 3))
    return (colours[rows][:, columns] + noise).clip(0, 255).astype(np.uint8)


def cosines(tower: Preset, photos, protocol: EvaluationProtocol, **options) -> list[torch.Tensor]:
    return ProtocolPredictor(tower, WORDS, DATASET, protocol, **options).cosines(photos)


def check_constant(variant: str, model, protocol: EvaluationProtocol, size: tuple[int, int]) -> None:
    grey = np.full((*size, 3), 90, np.uint8)
    (found,) = cosines(encoders(variant, without_places(model)), [grey], protocol)
    torch.testing.assert_close(found, found[:, :1, :1].expand_as(found), atol=1e-5, rtol=0)
    assert float(found[:, 0, 0].std()) > 1e-3  # and it says something


def check_one_pass(variant: str, model, side: int, size: tuple[int, int]) -> None:
    """A crop as large as the image cuts nothing."""
    tower, pixels = encoders(variant, model), photo(*size)
    protocol = EvaluationProtocol(
        "one", "test", shorter_side=side, crop=max(size), stride=side // 3, templates="simple"
    )
    (found,) = cosines(tower, [pixels], protocol)
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    names = tower.image_text
    patches = names.encode_dense(
        image, tower.backbone.encode(image, names.proxy_keys) if names.proxy_keys else {}
    )
    planes = (patches @ names.encode_words(["snow", "tomato", "rose", "frog"], "simple").T).permute(
        0, 3, 1, 2
    )
    expected = F.interpolate(planes, size=size, mode="bilinear")[0]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def check_company(variant: str, model, photos, protocol: EvaluationProtocol) -> None:
    """Each photo alone, a window at a time, is as all together, in any order."""
    tower = encoders(variant, model)
    alone = [cosines(tower, [pixels], protocol, at_once=1)[0] for pixels in photos]
    for at_once in (3, 64):
        backwards = cosines(tower, photos[::-1], protocol, at_once=at_once)[::-1]
        for one, other in zip(alone, backwards, strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


@pytest.mark.parametrize("variant", DENSE_VARIANTS.names())
def test_a_constant_image_is_constant(variant):
    check_constant(variant, tiny_model(), MINI, (48, 80))


@pytest.mark.parametrize("variant", DENSE_VARIANTS.names())
def test_where_no_window_is_cut_it_is_one_pass(variant):
    check_one_pass(variant, tiny_model(), 48, (48, 64))


@pytest.mark.parametrize("variant", DENSE_VARIANTS.names())
def test_scores_do_not_depend_on_batch_or_order(variant):
    check_company(variant, tiny_model(), [photo(60, 90, 1), photo(48, 48, 2), photo(40, 120, 3)], MINI)


@pytest.mark.slow
@pytest.mark.parametrize("variant", DENSE_VARIANTS.names())
def test_vit_b_16_under_the_sclip_protocol(variant):
    check_constant(variant, real_model(), REAL, (336, 400))
    check_one_pass(variant, real_model(), 336, (336, 448))
    check_company(variant, real_model(), [photo(336, 400, 1), photo(400, 336, 2)], REAL)


@pytest.mark.parametrize("variant", DENSE_VARIANTS.names())
def test_windows_of_segmentation_leave_no_seams_either(variant):
    config = EncodingConfig(image_size=64, scales=(48, 64), window=(32, 16), affinity_scale=0)
    tower = encoders(variant, without_places(tiny_model()))
    grey = np.full((64, 96, 3), 90, np.uint8)
    text = encode_image(grey, tower, config, Timer(CPU)).text_features
    assert text.shape == (96, 24)
    torch.testing.assert_close(text, text[:1].expand_as(text), atol=1e-5, rtol=0)
