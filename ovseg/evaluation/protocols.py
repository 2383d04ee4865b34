"""Protocols: the ways of evaluating that the field's tables silently differ in, each as one frozen value.

Class names, resizing, windows and thresholds move a published mean IoU by points, so figures are comparable
within a protocol only. ``sclip`` is the line SCLIP, ClearCLIP, ProxyCLIP, CorrCLIP (settings as in ProxyCLIP,
ECCV 2024); ``tcl`` the line GroupViT, TCL, OVDiff, FreeDA, Talk2DINO; ``ovseg`` is what ``ovseg segment``
does by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from ovseg.files import digest
from ovseg.prompts import read_lines
from ovseg.registry import Registry
from ovseg.vocabulary import ClassSpec, Vocabulary

__all__ = ["PROTOCOLS", "EvaluationProtocol", "protocol_for"]


@dataclass(frozen=True)
class EvaluationProtocol:
    """How predictions are made and turned into labels; all of it stands with the results.

    Attributes:
        name: What it is called.
        dataset: The data set it is meant for; some settings are exceptions for one set.
        shorter_side: Images are resized to this shorter side, in pixels; None: the encoder's own way.
        longer_side: Upper limit of the longer side in that resizing.
        crop: Side of the sliding window in pixels; None: no windows.
        stride: Step of the window in pixels; scores are averaged where windows overlap.
        pad_multiple: Windows are zero-padded to a multiple of this.
        templates: Name of the file of prompt templates; None: the configuration of the segmenter says it.
        names: ``"words"``: name and synonyms of the vocabulary; ``"raw"``: the data set's official names.
        background: Words for background where the vocabulary has none of its own.
        scale: Factor on cosines before the softmax.
        synonyms: How a class's words become one score.
        threshold: ``prob_thd``: a pixel whose best score is below becomes background; 0: none.
        post_processing: What follows the labels.
        predictions: At which size predictions meet the truth.
    """

    name: str
    dataset: str
    shorter_side: int | None = None
    longer_side: int | None = None
    crop: int | None = None
    stride: int | None = None
    pad_multiple: int | None = None
    templates: str | None = None
    names: Literal["words", "raw"] = "words"
    background: tuple[str, ...] = ()
    scale: float | None = None
    synonyms: str = "as configured in the segmenter"
    threshold: float = 0.0
    post_processing: str = "as configured in the segmenter"
    predictions: str = "scores resized bilinearly to the truth's size; the truth is never resized"

    def vocabulary(self, vocabulary: Vocabulary, official: tuple[str, ...]) -> Vocabulary:
        """The words that this protocol allows: the vocabulary, or the official names and nothing else."""
        if self.names == "words":
            if vocabulary.background or not self.background:
                return vocabulary
            return replace(vocabulary, background=self.background)
        return replace(
            vocabulary,
            classes=tuple(ClassSpec(name) for name in official),
            background=(),
            source=f"official names ({self.name})",
        )

    def metadata(self) -> dict[str, Any]:
        """All settings and the hash of the templates, as JSON."""
        content = asdict(self) | {"background": list(self.background)}
        content["templates_sha256"] = (
            digest(read_lines("templates", f"{self.templates}.txt")) if self.templates else None
        )
        return content


PROTOCOLS: Registry[Callable[[str, bool], EvaluationProtocol]] = Registry("protocol")
"""Protocols by name; an entry is called with the name of a data set and whether it has background."""


def protocol_for(name: str, dataset: str, *, background: bool) -> EvaluationProtocol:
    """The settings of protocol ``name`` for a data set.

    Raises:
        UnknownName: There is no such protocol.
    """
    return PROTOCOLS.get(name)(dataset, background)


_SCLIP_BACKGROUND = {
    "voc21": "sky, wall, tree, wood, grass, road, sea, river, mountain, sands, desk, bed, building, cloud,"
    " lamp, door, window, wardrobe, ceiling, shelf, curtain, stair, floor, hill, rail, fence",
    "coco-object": "sky, wall, tree, wood, grass, road, sea, river, mountain, sands, desk, bed, building,"
    " cloud, floor, hill, rail",
}
"""What the files of class names of this line have for background; other sets have the word itself."""

_SOFTMAX_THEN_MAX = "softmax over all words of all classes, then maximum per class"


@PROTOCOLS.register("ovseg")
def _ovseg(dataset: str, background: bool) -> EvaluationProtocol:
    return EvaluationProtocol(name="ovseg", dataset=dataset)


@PROTOCOLS.register("sclip")
def _sclip(dataset: str, background: bool) -> EvaluationProtocol:
    street_or_scene = dataset in ("ade20k", "cityscapes")
    thresholds = {"voc21": 0.2, "context60": 0.15, "coco-object": 0.25}
    return EvaluationProtocol(
        name="sclip",
        dataset=dataset,
        shorter_side=448 if street_or_scene else 336,
        longer_side=2048,
        crop=224 if dataset == "cityscapes" else 336,
        stride=112,
        pad_multiple=56,
        templates="imagenet80",
        background=tuple(_SCLIP_BACKGROUND.get(dataset, "background").split(", ")) if background else (),
        scale=40.0,
        synonyms=_SOFTMAX_THEN_MAX,
        threshold=thresholds.get(dataset, 0.0),
        post_processing="none",
    )


@PROTOCOLS.register("tcl")
def _tcl(dataset: str, background: bool) -> EvaluationProtocol:
    return EvaluationProtocol(
        name="tcl",
        dataset=dataset,
        shorter_side=448,
        longer_side=2048,
        crop=448,
        stride=224,
        templates="imagenet7",
        names="raw",
        synonyms="one name per class",
        # Tuned per method in this line's papers; FreeDA's value where a set has background.
        threshold=0.4 if background else 0.0,
        post_processing="none",
    )
