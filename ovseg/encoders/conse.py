"""An image-text encoder without CLIP: a classifier and a sentence encoder joined as in ConSE.

ConSE (Norouzi et al., ICLR 2014, section 3) places an image in the text space at the mean of its class
names' embeddings, weighted by the classifier's probabilities. Here the mixture is read as probabilities:
a class votes for the prompts by a softmax over their similarities, and a picture's score for a prompt is
the votes' mean under its class probabilities. The two agree for one-hot votes; the second is calibrated
and sums to one.
"""

from __future__ import annotations

import hashlib
import runpy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ovseg.encoders.base import FeatureKey
from ovseg.encoders.classifier import DenseClassifier
from ovseg.encoders.context import LoadContext
from ovseg.encoders.sentence import SentenceEncoder
from ovseg.files import atomic_path, digest
from ovseg.vocabulary.lexicon import NEAREST

_RETRIEVAL_CLASSES = 10
_RETRIEVAL_TEMPERATURE = 2.0
_LIKENESS_WIDTH = 0.03


class ConseHead:
    """Prompts as a classifier over class logits.

    Args:
        votes: (C, T) share of each classifier class's vote by prompt, rows summing to 1.
        temperature: Of the softmax over class logits.
    """

    def __init__(self, votes: torch.Tensor, temperature: float) -> None:
        self.votes = votes
        self.temperature = temperature
        self.class_prior = votes.mean(0)

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        """(…, C) class logits to (…, T) probabilities."""
        return torch.softmax(features.float() / self.temperature, dim=-1) @ self.votes


@dataclass(frozen=True)
class ConseConfig:
    """How class probabilities become scores of prompts.

    Attributes:
        image_temperature: Of the softmax over class logits.
        text_temperature: Of the softmax over prompts' cosine similarities.
        likeness: Similarity to a target prompt at which half of a class's vote for it counts.
    """

    image_temperature: float = 1.0
    text_temperature: float = 0.05
    likeness: float = 0.35


class ConseEncoder:
    """An :class:`~ovseg.encoders.base.ImageTextEncoder` of a classifier and a sentence encoder.

    Args:
        classifier: Image side, in eval mode.
        sentences: Text side, in eval mode.
        class_texts: What each class of the classifier is, in its order.
        about: What it is, for run.json.
        context: Device of the image side (the text side stays on the CPU) and folder of text embeddings.
        config: How class probabilities become scores of prompts.
    """

    dense_scales: tuple[int, ...] = (320, 480)
    image_size = 288
    multiple = 16
    window: tuple[int, int] | None = None
    synonym_cosine: float | None = NEAREST
    proxy_keys: tuple[FeatureKey, ...] = ()

    def __init__(
        self,
        classifier: DenseClassifier,
        sentences: SentenceEncoder,
        class_texts: Sequence[str],
        about: dict[str, Any],
        context: LoadContext,
        config: ConseConfig = ConseConfig(),
    ) -> None:
        self._classifier = classifier.to(context.device)
        self._sentences = sentences
        self._class_texts = tuple(class_texts)
        self._about = about
        self._cache = context.cache_dir / "texts" if context.cache_dir else None
        self._config = config
        self.device = context.device
        self._known: dict[str, torch.Tensor] = {}

    @torch.inference_mode()
    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) to (B, C) class logits of the whole image."""
        logits, _ = self._classifier(images.to(self.device))
        return logits.mean((1, 2))  # type: ignore[no-any-return]

    @torch.inference_mode()
    def encode_dense(
        self, images: torch.Tensor, proxy_features: Mapping[FeatureKey, torch.Tensor] | None = None
    ) -> torch.Tensor:
        """(B, 3, H, W) to (B, h, w, C) class logits per patch of 16 pixels."""
        logits, _ = self._classifier(images.to(self.device))
        return logits  # type: ignore[no-any-return]

    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        """(T, 384) unit-length sentence embeddings on the CPU, each text encoded once."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._known]
        if missing:
            self._known.update(zip(missing, self._sentences(missing), strict=True))
        return torch.stack([self._known[text] for text in texts])

    def embed(self, features: torch.Tensor) -> torch.Tensor:
        """(…, C) class logits to (…, 384) unit-length embeddings among the texts, on the CPU.

        ConSE's own formula (section 3): the mean of the ten likeliest classes' embeddings, weighted by their
        probabilities at a temperature of 2.
        """
        count = min(_RETRIEVAL_CLASSES, len(self._class_texts))
        top = torch.softmax(features.float() / _RETRIEVAL_TEMPERATURE, dim=-1).topk(count, dim=-1)
        nearest = self.class_embeddings[top.indices.cpu()]
        return F.normalize((top.values.cpu()[..., None] * nearest).sum(-2), dim=-1)

    @cached_property
    def class_embeddings(self) -> torch.Tensor:
        """(C, 384) text embeddings of the classifier's classes, kept on disk between runs."""
        key = digest({"texts": self._class_texts, "weights": self._about.get("sha256")})
        path = self._cache / f"classes-{key[:16]}.safetensors" if self._cache else None
        if path and path.is_file():
            kept = _read_kept(path)
            if kept is not None:
                return kept
        embeddings: torch.Tensor = self._sentences(list(self._class_texts))
        if path:
            record = torch.tensor(list(_tensor_hash(embeddings)), dtype=torch.uint8)
            with atomic_path(path) as temporary:
                save_file({"embeddings": embeddings, "sha256": record}, temporary)
        return embeddings

    def prompt_head(self, prompts: Sequence[str], target_count: int | None = None) -> ConseHead:
        """A head over class logits; see the module's text for its formula.

        Votes are shares, so a class that is like no prompt still gives all of its vote away: a zebra votes
        for "person" where no better word is there. The share that such a class gives to target prompts is
        moved to the others, in proportion to its votes for them.
        """
        similarity = self.class_embeddings @ self.encode_text(prompts).T
        votes = torch.softmax(similarity / self._config.text_temperature, dim=-1)
        if target_count is not None and 0 < target_count < len(prompts):
            wanted, rest = votes[:, :target_count], votes[:, target_count:]
            nearest = similarity[:, :target_count].max(dim=1, keepdim=True).values
            kept = wanted * torch.sigmoid((nearest - self._config.likeness) / _LIKENESS_WIDTH)
            lost = (wanted - kept).sum(dim=1, keepdim=True)
            votes = torch.cat([kept, rest * (1 + lost / rest.sum(dim=1, keepdim=True))], dim=1)
        return ConseHead(votes.to(self.device), self._config.image_temperature)

    def describe(self) -> dict[str, Any]:
        """What it is, for run.json."""
        return dict(self._about)


def _read_kept(path: Path) -> torch.Tensor | None:
    """Read a kept tensor whose hash is right; None for a damaged file, which is then made anew."""
    try:
        found = load_file(path)
    except SafetensorError:
        return None
    intact = set(found) == {"embeddings", "sha256"} and _tensor_hash(found["embeddings"]) == bytes(
        found["sha256"].tolist()
    )
    return found["embeddings"] if intact else None


def _tensor_hash(tensor: torch.Tensor) -> bytes:
    return hashlib.sha256(tensor.contiguous().numpy().tobytes()).digest()


def imagenet_texts() -> list[str]:
    """Return the texts ``name, definition`` of the 1000 ImageNet classes in the classifier's order.

    The name is open_clip's short one, the definition WordNet's, as timm ships it. With the definition,
    texts of similar meaning have a higher cosine than with names alone.
    """
    info = files("timm") / "data" / "_info"
    synsets = (info / "imagenet_synsets.txt").read_text().split()
    rows = (
        line.split("\t") for line in (info / "imagenet_synset_to_definition.txt").read_text().splitlines()
    )
    definitions = {row[0]: row[1] for row in rows if len(row) > 1}
    return [f"{name}, {definitions[s]}" for name, s in zip(_class_names(), synsets, strict=True)]


def _class_names() -> list[str]:
    """Return open_clip's names of the classes, read from the one file that holds them.

    The package itself would import transformers, which takes about as long as half a photo.
    """
    package = find_spec("open_clip")  # runs no code of it
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'open_clip'", name="open_clip")
    file = Path(package.submodule_search_locations[0]) / "zero_shot_metadata.py"
    names: list[str] = runpy.run_path(str(file))["IMAGENET_CLASSNAMES"]
    return names
