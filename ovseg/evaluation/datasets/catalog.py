"""The table of data sets: what each is called, how its tree must look, how many images it officially has.

Light on purpose: the command line reads it for ``--help``, so the loaders are imported when they are called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ovseg.registry import Registry, registry_of, resolve

if TYPE_CHECKING:
    from ovseg.evaluation.datasets.base import Dataset

__all__ = ["DATASETS", "DatasetCard"]


@dataclass(frozen=True)
class DatasetCard:
    """What is known about a data set before its files are looked at.

    Attributes:
        name: What it is called on the command line.
        title: One line for ``--help``.
        loader: ``module:function`` that reads it: called with the card, the root folder and, where the data
            set declares settings, an instance of them.
        tree: What must lie below the root, in words; it stands in error messages.
        has_background: Whether index 0 means "none of the classes".
        names: File of ``prompts/datasets`` with the official class names in index order, background among
            them; None when the data set brings its own.
        vocabulary: Shipped vocabulary that is used when none is given.
        official: Numbers of images that are official, each with whose list it is.
    """

    name: str
    title: str
    loader: str
    tree: str
    has_background: bool
    names: str | None = None
    vocabulary: str | None = None
    official: Mapping[int, str] = field(default_factory=dict)

    def load(self, root: Path, settings: Any = None) -> Dataset:
        """Read the data set.

        Args:
            root: Where it lies.
            settings: An instance of the settings that it declares; None: their defaults.

        Raises:
            DatasetError: It is missing, half unpacked or malformed; the line says what was looked for.
        """
        declared = DATASETS.about(self.name).settings
        dataset: Dataset
        if declared is None:
            dataset = resolve(self.loader)(self, root)
            return dataset
        chosen = settings or declared()
        dataset = resolve(self.loader)(self, root, chosen)
        return replace(dataset, settings=asdict(chosen))


DATASETS: Registry[DatasetCard] = registry_of("dataset")
"""Data sets by the name that ``ovseg evaluate`` takes; ``folder``, with a flag of its own, stands beside."""

_HERE = "ovseg.evaluation.datasets"
_VOC_TREE = "JPEGImages/NAME.jpg, SegmentationClass/NAME.png and ImageSets/Segmentation/val.txt"
_CONTEXT_TREE = (
    "JPEGImages/NAME.jpg with ImageSets/SegmentationContext/val.txt and SegmentationClassContext/NAME.png, or"
    " trainval_merged.json of the detail API, or trainval/NAME.mat"
)
_COCO_TREE = (
    "images/val2017/NAME.jpg (or val2017/NAME.jpg) with annotations/val2017/NAME_{suffix}.png, or"
    " stuffthingmaps/val2017/NAME.png, or annotations/{json}"
)
_VOC_COUNT = {1449: "PASCAL VOC 2012 segmentation val"}
_CONTEXT_COUNT = {
    5104: "PASCAL Context val as mmsegmentation converts it",
    5105: "PASCAL Context val of the detail API",
}
_COCO_COUNT = {5000: "COCO val2017"}

# fmt: off
VOC21 = DatasetCard(
    "voc21", "PASCAL VOC 2012, 20 classes and background.", f"{_HERE}.voc:load", _VOC_TREE,
    has_background=True, names="voc", vocabulary="voc21", official=_VOC_COUNT,
)
VOC20 = DatasetCard(
    "voc20", "PASCAL VOC 2012, 20 classes, background ignored.", f"{_HERE}.voc:load", _VOC_TREE,
    has_background=False, names="voc", vocabulary="voc20", official=_VOC_COUNT,
)
CONTEXT60 = DatasetCard(
    "context60", "PASCAL Context, 59 classes and background.", f"{_HERE}.context:load", _CONTEXT_TREE,
    has_background=True, names="context", vocabulary="context60", official=_CONTEXT_COUNT,
)
CONTEXT59 = DatasetCard(
    "context59", "PASCAL Context, 59 classes, background ignored.", f"{_HERE}.context:load",
    _CONTEXT_TREE, has_background=False, names="context", vocabulary="context59", official=_CONTEXT_COUNT,
)
COCO_OBJECT = DatasetCard(
    "coco-object", "COCO val2017, 80 things and background.", f"{_HERE}.coco:load_object",
    _COCO_TREE.format(suffix="instanceTrainIds", json="instances_val2017.json"),
    has_background=True, names="coco-object", vocabulary="coco-object", official=_COCO_COUNT,
)
COCO_STUFF = DatasetCard(
    "coco-stuff", "COCO val2017, 80 things and 91 kinds of stuff.", f"{_HERE}.coco:load_stuff",
    _COCO_TREE.format(suffix="labelTrainIds", json="{instances,stuff}_val2017.json"),
    has_background=False, names="coco-stuff", vocabulary="coco-stuff", official=_COCO_COUNT,
)
ADE20K = DatasetCard(
    "ade20k", "ADE20K of the scene parsing challenge, 150 classes.", f"{_HERE}.ade20k:load",
    "images/validation/NAME.jpg and annotations/validation/NAME.png (ADEChallengeData2016)",
    has_background=False, names="ade20k", vocabulary="ade20k", official={2000: "ADE20K validation"},
)
CITYSCAPES = DatasetCard(
    "cityscapes", "Cityscapes, 19 classes.", f"{_HERE}.cityscapes:load",
    "leftImg8bit/val/CITY/NAME_leftImg8bit.png and gtFine/val/CITY/NAME_gtFine_labelTrainIds.png"
    " (or NAME_gtFine_labelIds.png)",
    has_background=False, names="cityscapes", vocabulary="cityscapes", official={500: "Cityscapes val"},
)
# fmt: on
