"""SigLIP and SigLIP 2 through open_clip: their towers are timm's, their words another tokenizer's."""

from __future__ import annotations

import json

import pytest
import timm
import torch
from clip_models import MEAN, STD, relative_error, sharpened

from ovseg.encoders.clip.encoder import ClipConfig, load_clip
from ovseg.encoders.clip.text import is_causal
from ovseg.encoders.clip.tower import tower_of
from ovseg.encoders.clip.variants import DENSE_VARIANTS
from ovseg.encoders.context import LoadContext

CPU = torch.device("cpu")
SMALL = "vit_small_siglip_test"
WORDS = ["a", "dog", "sky"]


@timm.models.register_model
def vit_small_siglip_test(pretrained=False, **options):
    """SigLIP's tower made small: no class token, patches pooled by attention."""
    for name in ("pretrained_cfg", "pretrained_cfg_overlay", "cache_dir"):
        options.pop(name, None)
    return timm.models.vision_transformer.VisionTransformer(
        **{
            "img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 3, "num_heads": 3,
            "class_token": False, "global_pool": "map",
        } | options
    )  # fmt: skip


def configuration() -> dict:
    """open_clip's of SigLIP 2, with small numbers."""
    import open_clip

    config = open_clip.get_model_config("ViT-B-16-SigLIP2")
    vision = config["vision_cfg"] | {"image_size": 32, "timm_model_name": SMALL}
    small = {"context_length": 8, "vocab_size": 4, "width": 24, "heads": 2, "layers": 2}
    return config | {"embed_dim": 24, "vision_cfg": vision, "text_cfg": config["text_cfg"] | small}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("transformers")
    from open_clip.model import CustomTextCLIP
    from safetensors.torch import save_file
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    place, config = tmp_path_factory.mktemp("siglip"), configuration()
    torch.manual_seed(0)
    model = sharpened(CustomTextCLIP(**{key: value for key, value in config.items() if key != "custom_text"}))
    preprocess = {"mean": list(MEAN), "std": list(STD)}
    (place / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": preprocess})
    )
    save_file(
        {k: v.clone().contiguous() for k, v in model.state_dict().items()},
        place / "open_clip_model.safetensors",
    )
    words = Tokenizer(WordLevel({"[PAD]": 0, "[UNK]": 1, "a": 2, "dog": 3}, unk_token="[UNK]"))
    words.pre_tokenizer = Whitespace()
    words.save(str(place / "tokenizer.json"))
    kind = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    (place / "tokenizer_config.json").write_text(json.dumps(kind))
    return place, model


def pictures(height=32, width=32) -> torch.Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(3))


def normalized(images: torch.Tensor) -> torch.Tensor:
    return (images - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


@torch.inference_mode()
def test_pictures_and_words_are_open_clips_own(folder, tmp_path):
    place, model = folder
    encoder = load_clip(f"local-dir:{place}", LoadContext(cache_dir=tmp_path), ClipConfig(variant="none"))
    expected = model.encode_image(normalized(pictures()), normalize=True)
    torch.testing.assert_close(encoder.encode_image(pictures()), expected, atol=1e-5, rtol=1e-5)
    # Its text tower sees the padding too: no text may be cut short.
    assert not is_causal(model)
    tokens = encoder._text._tokenize(WORDS)
    assert tokens.shape == (3, 8)
    torch.testing.assert_close(
        encoder.encode_text(WORDS), model.encode_text(tokens, normalize=True), atol=1e-5, rtol=1e-5
    )


@torch.inference_mode()
@pytest.mark.parametrize("variant", DENSE_VARIANTS.names())
def test_every_variant_reads_it(folder, variant):
    place, _ = folder
    encoder = load_clip(f"local-dir:{place}", LoadContext(cache_dir=None), ClipConfig(variant=variant))
    generator = torch.Generator().manual_seed(4)
    guide = {key: torch.randn(2, 7, 9, 5, generator=generator) for key in encoder.proxy_keys}
    images = pictures(40, 64)
    found = encoder.encode_dense(images, guide)
    assert found.shape == ((2, 7, 9, 24) if guide else (2, 5, 8, 24))
    one = encoder.encode_dense(images[1:], {key: value[1:] for key, value in guide.items()})
    torch.testing.assert_close(one, found[1:], atol=1e-5, rtol=0)


@torch.inference_mode()
def test_values_of_cells_are_read_as_the_formula_says(folder):
    """``value``, written out with timm's own modules."""
    place, model = folder
    encoder = load_clip(f"local-dir:{place}", LoadContext(cache_dir=None), ClipConfig(variant="value"))
    trunk = model.visual.trunk
    tokens = trunk.patch_embed(normalized(pictures())) + trunk.pos_embed
    for block in trunk.blocks[:-1]:
        tokens = block(tokens)
    last = trunk.blocks[-1]
    value = last.attn.qkv(last.norm1(tokens)).chunk(3, dim=-1)[2]
    tokens = tokens + last.attn.proj(value)
    tokens = trunk.norm(tokens + last.mlp(last.norm2(tokens)))
    pool = trunk.attn_pool
    alone = pool.proj(pool.kv(tokens).chunk(2, dim=-1)[1])
    expected = (alone + pool.mlp(pool.norm(alone))).reshape(2, 4, 4, 24)
    assert relative_error(encoder.dense_features(pictures()), expected) <= 1e-4


@pytest.mark.parametrize(
    "architecture", ["ViT-B-16-SigLIP", "ViT-B-16-SigLIP2", "ViT-B-32-SigLIP2-256", "ViT-SO400M-14-SigLIP2"]
)
def test_the_real_towers_are_of_a_kind_that_is_read(architecture):
    import open_clip
    from open_clip.model import CLIPVisionCfg, _build_vision_tower

    config = open_clip.get_model_config(architecture)
    with torch.device("meta"):
        visual = _build_vision_tower(config["embed_dim"], CLIPVisionCfg(**config["vision_cfg"]))
    tower = tower_of(visual, (0.5,) * 3, (0.5,) * 3)
    assert (tower.prefix, tower.patch) == (0, visual.trunk.patch_embed.patch_size[0])
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    assert tags == ["webli"]
    assert open_clip.get_pretrained_cfg(architecture, "webli")["mean"] == (0.5, 0.5, 0.5)
