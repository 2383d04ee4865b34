"""ConSE with a classifier and sentences whose answers can be worked out by hand."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from ovseg.encoders.classifier import DenseClassifier, efficientnet_state
from ovseg.encoders.conse import ConseConfig, ConseEncoder, ConseHead, imagenet_texts
from ovseg.encoders.context import LoadContext

CPU = torch.device("cpu")
AXES = {"red thing": 0, "green thing": 1, "blue thing": 2, "red": 0, "green": 1, "blue": 2, "odd": 3}


class Sentences:
    """Texts to axes of a space of four dimensions."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def __call__(self, texts):
        self.calls.append(list(texts))
        return torch.eye(4)[[AXES[text] for text in texts]]


class Net(nn.Module):
    """Features are the mean colour of each patch of 16 pixels, the logits ten times that."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Linear(3, 3)
        with torch.no_grad():
            self.classifier.weight.copy_(10 * torch.eye(3))
            self.classifier.bias.zero_()

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        colours = x * DenseClassifier.std + DenseClassifier.mean
        return nn.functional.avg_pool2d(colours, 16)


def encoder(
    sentences: Sentences | None = None, cache_dir: Path | None = None, **options: float
) -> ConseEncoder:
    return ConseEncoder(
        DenseClassifier(Net()).eval(),
        sentences or Sentences(),  # type: ignore[arg-type]
        ["red thing", "green thing", "blue thing"],
        {"name": "tiny", "sha256": "0" * 64},
        LoadContext(cache_dir=cache_dir),
        ConseConfig(**options),
    )


def flag() -> torch.Tensor:
    """(1, 3, 32, 48): red, green and blue columns of one patch each, two rows of patches."""
    image = torch.zeros(1, 3, 32, 48)
    for channel in range(3):
        image[:, channel, :, 16 * channel : 16 * (channel + 1)] = 1
    return image


def test_dense_logits_are_per_cell():
    found = encoder().encode_dense(flag())
    assert found.shape == (1, 2, 3, 3)
    torch.testing.assert_close(found[0, 0], 10 * torch.eye(3))


def test_the_whole_image_is_the_mean_of_its_cells():
    torch.testing.assert_close(encoder().encode_image(flag()), torch.full((1, 3), 10 / 3))


def test_an_embedding_is_the_mean_of_class_embeddings_by_their_probabilities():
    conse = encoder()
    logits = torch.log(
        torch.tensor([[0.64, 0.32, 0.04]])
    )  # their roots are to each other as 0.8 : 0.566 : 0.2
    weights = torch.tensor([0.64, 0.32, 0.04]).sqrt()
    expected = (weights[:, None] * conse.class_embeddings).sum(0)
    torch.testing.assert_close(conse.embed(logits)[0], expected / expected.norm())


def test_votes_are_a_softmax_over_the_prompts():
    head = encoder(text_temperature=0.5).prompt_head(["red", "green", "odd"])
    near, far = math.exp(2), 1.0
    share = near / (near + 2 * far), far / (near + 2 * far)
    expected = torch.tensor([[share[0], share[1], share[1]], [share[1], share[0], share[1]], [1 / 3] * 3])
    torch.testing.assert_close(head.votes, expected)
    torch.testing.assert_close(head.class_prior, expected.mean(0))


def test_a_class_that_is_like_no_prompt_asked_for_votes_for_the_others():
    plain = encoder(text_temperature=0.5).prompt_head(["red", "green", "odd"]).votes
    votes = encoder(text_temperature=0.5).prompt_head(["red", "green", "odd"], target_count=1).votes
    torch.testing.assert_close(votes[0], plain[0], rtol=0, atol=1e-6)  # red itself: its similarity is 1
    # Green and blue are nothing like red: what they gave it goes to the others as they share them.
    assert votes[1:, 0].max() < 1e-4
    torch.testing.assert_close(votes[1, 1] / votes[1, 2], plain[1, 1] / plain[1, 2])
    torch.testing.assert_close(votes.sum(1), torch.ones(3))


def test_without_anything_else_every_vote_stays():
    plain = encoder().prompt_head(["red", "green"]).votes
    torch.testing.assert_close(encoder().prompt_head(["red", "green"], target_count=2).votes, plain)


def test_the_head_is_the_mean_of_votes_under_the_class_probabilities():
    votes = torch.tensor([[1.0, 0.0], [0.25, 0.75]])
    logits = torch.log(torch.tensor([[[0.5, 0.5], [0.2, 0.8]]]))
    torch.testing.assert_close(ConseHead(votes, 1.0)(logits), torch.tensor([[[0.625, 0.375], [0.4, 0.6]]]))
    # At temperature 1/2 the odds are squared: 1 : 16.
    found = ConseHead(votes, 0.5)(logits[0, 1])
    torch.testing.assert_close(found, torch.tensor([(1 + 16 * 0.25) / 17, 16 * 0.75 / 17]))


def test_each_cell_gets_the_name_of_its_colour():
    names = encoder()
    scores = names.prompt_head(["blue", "green", "odd", "red"])(names.encode_dense(flag()))
    torch.testing.assert_close(scores.sum(-1), torch.ones(1, 2, 3))
    assert scores[0].argmax(-1).tolist() == [[3, 1, 0]] * 2


def test_each_text_is_encoded_once_and_order_is_kept():
    sentences = Sentences()
    names = encoder(sentences)
    found = names.encode_text(["blue", "red", "blue"])
    torch.testing.assert_close(found, torch.eye(4)[[2, 0, 2]])
    torch.testing.assert_close(names.encode_text(["green", "red"]), torch.eye(4)[[1, 0]])
    assert sentences.calls == [["blue", "red"], ["green"]]


def asked_for_classes(cache: Path) -> tuple[int, torch.Tensor]:
    sentences = Sentences()
    found = encoder(sentences, cache_dir=cache).class_embeddings
    return len(sentences.calls), found


def test_class_embeddings_are_kept_between_runs(tmp_path: Path):
    assert asked_for_classes(tmp_path)[0] == 1
    count, found = asked_for_classes(tmp_path)
    assert count == 0
    assert torch.equal(found, torch.eye(4)[:3])


@pytest.mark.parametrize("where", ["cut", "flipped", "empty"])
def test_damaged_class_embeddings_are_made_anew(tmp_path: Path, where):
    asked_for_classes(tmp_path)
    (path,) = (tmp_path / "texts").iterdir()
    whole = path.read_bytes()
    data = bytearray(whole)
    data[-40] ^= 0x10
    path.write_bytes({"cut": whole[:-3], "flipped": bytes(data), "empty": b""}[where])
    count, found = asked_for_classes(tmp_path)
    assert count == 1
    assert torch.equal(found, torch.eye(4)[:3])
    assert path.read_bytes() == whole


def test_other_weights_make_their_own_embeddings(tmp_path: Path):
    asked_for_classes(tmp_path)
    sentences = Sentences()
    other = ConseEncoder(
        DenseClassifier(Net()), sentences, ["red"], {"sha256": "1" * 64}, LoadContext(cache_dir=tmp_path)  # type: ignore[arg-type]
    )  # fmt: skip
    assert other.class_embeddings.shape == (1, 4)
    assert len(list((tmp_path / "texts").iterdir())) == 2


def test_descriptions_are_copies():
    names = encoder()
    names.describe()["name"] = "changed"
    assert names.describe()["name"] == "tiny"


def test_the_texts_of_imagenet_have_names_and_definitions():
    texts = imagenet_texts()
    assert len(texts) == 1000
    assert texts[0].startswith("tench, freshwater ")
    assert texts[999].startswith("toilet paper, ")
    assert all(", " in text for text in texts)


def test_the_names_of_imagenet_are_open_clips_without_importing_it():
    from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES

    texts = imagenet_texts()
    assert all(text.startswith(f"{name}, ") for text, name in zip(texts, IMAGENET_CLASSNAMES, strict=True))
    code = "import sys; from ovseg.encoders.conse import imagenet_texts; imagenet_texts();"
    code += " print(*{'open_clip', 'transformers'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "\n"


def test_tensors_of_another_architecture_do_not_pair():
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    state = model.state_dict()
    renamed = {f"old{i}.{key.rsplit('.', 1)[-1]}": value for i, (key, value) in enumerate(state.items())}
    found = efficientnet_state(renamed, model)
    assert list(found) == list(state)
    assert all(found[key] is renamed[old] for key, old in zip(state, renamed, strict=True))
    with pytest.raises(ValueError, match="expected 7 tensors, got 6"):
        efficientnet_state(dict(list(renamed.items())[:6]), model)
    turned = dict(renamed) | {"old0.weight": torch.zeros(3, 2)}
    with pytest.raises(ValueError, match=r"old0.weight \(3, 2\) does not pair with 0.weight \(2, 3\)"):
        efficientnet_state(turned, model)
    swapped = {("x.bias" if key == "old0.weight" else key): value for key, value in renamed.items()}
    with pytest.raises(ValueError, match=r"x\.bias .* does not pair with 0\.weight"):
        efficientnet_state(swapped, model)
