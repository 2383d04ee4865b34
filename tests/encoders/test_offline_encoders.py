"""The offline preset's encoders with their real weights, against other implementations of the same models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from skimage import data

from ovseg.encoders.classifier import DenseClassifier
from ovseg.encoders.offline import load_classifier, load_dinov2_focus, load_sentence_encoder
from ovseg.encoders.vit import IMAGENET_MEAN, IMAGENET_STD
from ovseg.images.resize import resized
from ovseg.weights import WeightStore
from ovseg.weights.cards import DINOV2_FOCUS, EFFICIENTNET_LITE2, MINILM
from ovseg.weights.locate import require_file

pytestmark = pytest.mark.weights

TEXTS = [
    "a photo of a cat",
    "sky",
    "the fully grown domestic dog, chiefly used for herding sheep",
    "TV/monitor",
]


def tensor(pixels: np.ndarray, side: int) -> torch.Tensor:
    return torch.from_numpy(resized(pixels, (side, side))).permute(2, 0, 1)[None].float() / 255


def test_saliency_is_that_of_the_shipped_graph(offline_cache: Path):
    onnxruntime = pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    graph = onnxruntime.InferenceSession(
        str(require_file(DINOV2_FOCUS)), options, providers=["CPUExecutionProvider"]
    )
    image = tensor(data.chelsea(), 224)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    given = ((image - mean) / std).numpy()
    expected = torch.from_numpy(graph.run(None, {graph.get_inputs()[0].name: given})[0]).squeeze()

    vit, decoder = load_dinov2_focus(WeightStore(offline_cache))
    logits: list[torch.Tensor] = []
    decoder.final_conv.register_forward_hook(lambda _module, _given, out: logits.append(out))
    with torch.inference_mode():
        decoder(vit(image)[(-1, "token")])
        # The graph ends with the logits resized to the image; ours stops at the finer grid.
        found = torch.sigmoid(F.interpolate(logits[0], (224, 224), mode="bilinear"))[0, 0]
    assert expected.shape == (224, 224)
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)


def test_sentences_are_those_of_transformers(offline_cache: Path):
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536
    )
    bert = transformers.BertModel(config, add_pooling_layer=False).eval()
    state = load_file(require_file(MINILM))
    bert.load_state_dict({key: state[key] for key in bert.state_dict()})
    encoder = load_sentence_encoder(WeightStore(offline_cache))
    tokens = encoder.tokenizer.encode_batch(TEXTS)
    ids = torch.tensor([entry.ids for entry in tokens])
    mask = torch.tensor([entry.attention_mask for entry in tokens])
    with torch.inference_mode():
        hidden = bert(input_ids=ids, attention_mask=mask).last_hidden_state
    mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    torch.testing.assert_close(encoder(TEXTS), F.normalize(mean, dim=-1), atol=1e-5, rtol=0)


def test_the_mean_of_dense_logits_is_timms_image_logit(offline_cache: Path):
    import timm

    dilated = load_classifier(WeightStore(offline_cache))
    plain = timm.create_model("tf_efficientnet_lite2").eval()
    plain.load_state_dict(dilated.net.state_dict())
    image = tensor(data.chelsea(), 260)
    with torch.inference_mode():
        expected = plain((image - DenseClassifier.mean) / DenseClassifier.std)
        logits, features = DenseClassifier(plain)(image)
        fine, _ = dilated(image)
    assert features.shape == (1, 9, 9, 1280)
    torch.testing.assert_close(logits.mean((1, 2)), expected, atol=1e-4, rtol=0)
    assert fine.shape == (1, 17, 17, 1000)
    assert fine.mean((1, 2)).argmax() == expected.argmax()


def test_the_classifier_knows_its_classes(offline):
    from ovseg.encoders.conse import imagenet_texts

    texts = imagenet_texts()
    logits = offline.image_text.encode_image(tensor(data.chelsea(), 288))[0]
    assert any("cat" in texts[i] for i in logits.topk(3).indices.tolist())
    assert EFFICIENTNET_LITE2 in offline.card.cards()


PROMPTS = ("cat", "dog", "coffee cup", "rocket", "motorcycle", "bird", "tree", "car", "chair")


@pytest.mark.parametrize(
    ("picture", "name"),
    [
        (data.chelsea, "cat"),
        (data.coffee, "coffee cup"),
        (data.rocket, "rocket"),
        (lambda: data.stereo_motorcycle()[0], "motorcycle"),
    ],
    ids=["chelsea", "coffee", "rocket", "motorcycle"],
)
def test_the_right_name_ranks_first(offline, picture, name):
    head = offline.image_text.prompt_head(PROMPTS)
    scores = head(offline.image_text.encode_image(tensor(picture(), offline.image_text.image_size)))[0]
    assert scores.sum().item() == pytest.approx(1, abs=1e-5)
    assert PROMPTS[int(scores.argmax())] == name
    assert head.class_prior.sum().item() == pytest.approx(1, abs=1e-5)


def test_the_foreground_of_chelsea_is_the_cat(offline):
    image = tensor(data.chelsea(), 448)
    saliency = offline.backbone.saliency(offline.backbone.encode(image)[(-1, "token")])[0]
    height, width = saliency.shape
    face = saliency[height // 3 : height * 2 // 3, width // 3 : width * 2 // 3].mean()
    assert face > 0.8
    assert face > saliency[:, -width // 10 :].mean()
