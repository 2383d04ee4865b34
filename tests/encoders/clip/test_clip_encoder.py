"""CLIP as an encoder: open_clip's own output where there is no variant, words, sizes and batches."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from clip_models import MEAN, STD, TINY, relative_error, save_folder, tiny_model

from ovseg.encoders.base import CosineEncoder
from ovseg.encoders.clip.encoder import ClipConfig, ClipEncoder, ClipHead, load_clip
from ovseg.encoders.clip.load import LoadedClip
from ovseg.encoders.clip.text import ClipText, encode_tokens, template_set
from ovseg.encoders.clip.tower import tower_of
from ovseg.encoders.context import LoadContext
from ovseg.errors import OvsegError, UnknownName, UsageError

CPU = torch.device("cpu")
WORDS = ["dog", "a very long name of a thing indeed", "sky"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_folder(tmp_path_factory.mktemp("clip") / "tiny", tiny_model())


@pytest.fixture
def encoder(folder):
    return load_clip(
        f"local-dir:{folder}", LoadContext(cache_dir=None), ClipConfig(variant="none", templates="simple")
    )


def pictures(height=32, width=32, count=2) -> torch.Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(3))


def normalized(images: torch.Tensor) -> torch.Tensor:
    return (images - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


@torch.inference_mode()
def test_whole_images_are_open_clips_own(encoder):
    expected = tiny_model().encode_image(normalized(pictures()), normalize=True)
    torch.testing.assert_close(encoder.encode_image(pictures()), expected, atol=1e-6, rtol=1e-5)


@torch.inference_mode()
def test_another_size_is_open_clips_own_at_that_size(folder, encoder):
    """open_clip resizes the positions of a checkpoint when it is asked for another image size."""
    import open_clip

    other = open_clip.create_model(f"local-dir:{folder}", force_image_size=(48, 64)).eval()
    other.visual.output_tokens = True
    _, tokens = other.visual(normalized(pictures(48, 64)))
    expected = (tokens @ other.visual.proj).reshape(2, 6, 8, -1)
    assert relative_error(encoder.dense_features(pictures(48, 64)), expected) <= 1e-5


def test_cells_have_unit_length_and_do_not_depend_on_the_batch(folder):
    for variant in ("none", "value", "sclip", "clearclip", "naclip"):
        encoder = load_clip(f"local-dir:{folder}", LoadContext(cache_dir=None), ClipConfig(variant=variant))
        images = pictures(40, 64, count=3)
        together = encoder.encode_dense(images)
        assert together.shape == (3, 5, 8, 24)
        torch.testing.assert_close(together.norm(dim=-1), torch.ones(3, 5, 8))
        for order in ([2, 0, 1], [1]):
            again = encoder.encode_dense(images[order])
            torch.testing.assert_close(again, together[order], atol=1e-5, rtol=0)


def test_a_variant_with_a_guide_asks_for_it(folder):
    encoder = load_clip(f"local-dir:{folder}", LoadContext(cache_dir=None), ClipConfig(variant="proxyclip"))
    assert encoder.proxy_keys == ((-1, "token"),)
    with pytest.raises(ValueError, match="token"):
        encoder.encode_dense(pictures())
    guide = {(-1, "token"): torch.randn(2, 7, 9, 5, generator=torch.Generator().manual_seed(0))}
    assert encoder.encode_dense(pictures(), guide).shape == (2, 7, 9, 24)


def test_sizes_that_are_no_multiple_of_the_patch_are_refused(encoder):
    with pytest.raises(ValueError, match="multiple"):
        encoder.encode_dense(pictures(30, 32))


def test_defaults_follow_the_size_of_the_training_images(encoder):
    assert (encoder.multiple, encoder.image_size, encoder.dense_scales) == (8, 32, (48,))
    assert isinstance(encoder, CosineEncoder)
    assert encoder.logit_scale == pytest.approx(1 / 0.07, rel=1e-5)


def test_unknown_variants_and_templates_are_refused(folder, encoder):
    with pytest.raises(UnknownName, match="naclip"):
        load_clip(f"local-dir:{folder}", LoadContext(cache_dir=None), ClipConfig(variant="nclip"))
    with pytest.raises(OvsegError, match="imagenet81"):
        encoder.encode_words(["dog"], "imagenet81")


@pytest.mark.parametrize("architecture", ["RN50", "convnext_base", "coca_ViT-B-32"])
def test_towers_of_other_kinds_are_refused(architecture):
    from open_clip import get_model_config
    from open_clip.model import CLIPVisionCfg, _build_vision_tower

    config = get_model_config(architecture)
    vision = CLIPVisionCfg(**config["vision_cfg"])
    with torch.device("meta"):
        tower = _build_vision_tower(config["embed_dim"], vision)
    with pytest.raises(UsageError, match="gives no patch features"):
        tower_of(tower, MEAN, STD)


@torch.inference_mode()
def test_siglip_cells_alone_are_its_pool_over_one_cell():
    """A tower of SigLIP's kind: without a variant, pooling all patches gives open_clip's own output."""
    import timm
    from open_clip.timm_model import TimmModel

    torch.manual_seed(0)
    visual = TimmModel("vit_base_patch16_siglip_224", 24, 32, pool="map", proj="none")
    visual.trunk = timm.create_model(
        "vit_base_patch16_siglip_224",
        img_size=32,
        patch_size=8,
        embed_dim=24,
        depth=2,
        num_heads=3,
        num_classes=0,
    ).eval()
    tower = tower_of(visual, (0, 0, 0), (1, 1, 1))
    image = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    tokens, grid = tower.block_input(image)
    last = tower.blocks[-1]
    patches = last.forward(tokens)
    assert (grid, tower.prefix, tower.patch) == ((4, 4), 0, 8)
    trunk = visual.trunk
    torch.testing.assert_close(trunk.forward_head(trunk.norm(patches)), visual(image), atol=1e-5, rtol=1e-5)
    alone = tower.to_text_space(patches)
    pool = trunk.attn_pool
    value = pool.proj(pool.kv(trunk.norm(patches)).chunk(2, dim=-1)[1])
    torch.testing.assert_close(alone, value + pool.mlp(pool.norm(value)), atol=1e-5, rtol=1e-5)
    # In parts, the block is itself again.
    query, key, values = last.qkv(tokens)
    attended = tokens + last.attention_output(F.scaled_dot_product_attention(query, key, values))
    torch.testing.assert_close(attended + last.mlp(attended), patches, atol=1e-5, rtol=1e-5)
    first, _ = tower.block_input(torch.randn(1, 3, 48, 40), first=True)
    assert first.shape == (1, 30, 24)


@torch.inference_mode()
def test_short_batches_of_text_give_what_the_whole_context_gives():
    model = tiny_model()
    from open_clip.tokenizer import SimpleTokenizer

    tokens = SimpleTokenizer(context_length=20)(["a dog", "grass and sky"])
    width = int(tokens.argmax(-1).max()) + 1
    assert width < 20
    expected = model.encode_text(tokens)
    torch.testing.assert_close(encode_tokens(model, tokens[:, :width]), expected, atol=1e-6, rtol=1e-5)


@torch.inference_mode()
def test_words_are_the_mean_of_their_templates_each_at_unit_length(encoder):
    model, tokenize = tiny_model(), encoder._text._tokenize
    patterns = template_set("simple")
    assert len(patterns) > 1 or patterns == ("a photo of a {}.",)
    found = encoder.encode_words(WORDS, "imagenet7")
    for word, row in zip(WORDS, found, strict=True):
        texts = tokenize([pattern.replace("{}", word) for pattern in template_set("imagenet7")])
        each = model.encode_text(texts)
        mean = (each / each.norm(dim=1, keepdim=True)).mean(0)
        torch.testing.assert_close(row, mean / mean.norm(), atol=1e-5, rtol=1e-5)


def test_the_eighty_templates_are_eighty():
    assert len(set(template_set("imagenet80"))) == 80
    assert template_set("as-it-is") == ("{}",)


def test_the_head_is_a_softmax_of_scaled_cosines():
    head = ClipHead(torch.tensor([[1.0, 0], [0, 1], [0.6, 0.8]]), scale=10)
    found = head(torch.tensor([[[0.8, 0.6]]]))
    torch.testing.assert_close(found[0, 0], torch.softmax(torch.tensor([8.0, 6.0, 9.6]), 0))
    torch.testing.assert_close(head.class_prior, torch.full((3,), 1 / 3))


class Counting:
    def __init__(self, inner):
        self.inner, self.texts = inner, 0

    def __call__(self, texts):
        self.texts += len(texts)
        return self.inner(texts)


def text_side(cache, seed=0, sha256="a") -> tuple[ClipText, Counting]:
    from open_clip.tokenizer import SimpleTokenizer

    counting = Counting(SimpleTokenizer(context_length=TINY["text_cfg"]["context_length"]))
    clip = LoadedClip(tiny_model(seed=seed), counting, MEAN, STD, {"sha256": sha256})
    return ClipText(clip, LoadContext(cache_dir=cache)), counting


def test_embeddings_are_kept_between_runs(tmp_path):
    first, _ = text_side(tmp_path)
    expected = first.encode(WORDS, "imagenet7")
    second, counting = text_side(tmp_path)
    assert torch.equal(second.encode(WORDS[::-1], "imagenet7"), expected.flip(0))
    assert counting.texts == 0
    second.encode([*WORDS, "sea"], "imagenet7")
    assert counting.texts == 7


def test_embeddings_are_kept_apart_by_model_and_templates(tmp_path):
    text_side(tmp_path)[0].encode(WORDS, "imagenet7")
    other, counting = text_side(tmp_path, seed=1, sha256="b")
    other.encode(WORDS, "imagenet7")
    assert counting.texts == 7 * len(WORDS)
    other.encode(WORDS)
    assert counting.texts == 8 * len(WORDS)


@pytest.mark.parametrize("spoil", [lambda data: data[:50], lambda data: data[:-4] + bytes(4)])
def test_a_damaged_cache_is_made_anew(tmp_path, spoil):
    expected = text_side(tmp_path)[0].encode(WORDS, "imagenet7")
    (path,) = (tmp_path / "texts").iterdir()
    path.write_bytes(spoil(path.read_bytes()))
    again, counting = text_side(tmp_path)
    assert torch.equal(again.encode(WORDS, "imagenet7"), expected)
    assert counting.texts == 7 * len(WORDS)


def test_what_is_described_says_how_it_is_used(folder):
    encoder = load_clip(
        f"local-dir:{folder}",
        LoadContext(cache_dir=None),
        ClipConfig(variant="naclip", window=(16, 8), scale=40.0),
    )
    about = encoder.describe()
    assert about["variant"] == "naclip"
    assert about["window"] == [16, 8]
    assert about["scale"] == 40.0
    assert len(about["sha256"]) == 64
    assert isinstance(encoder, ClipEncoder)
