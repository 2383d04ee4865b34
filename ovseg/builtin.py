"""What ovseg itself brings: names and places, registered as any plug-in registers its own."""

from __future__ import annotations

from ovseg.registry import provide

__all__ = ["register"]

_MASK_ONLY, _OBJECTS, _SCORES = ("mask-only",), ("objects",), ("scores",)

_FORMATS: dict[str, tuple[str, tuple[str, ...]]] = {
    "png": ("masks:MaskWriter", _MASK_ONLY),
    "overlay": ("overlay:OverlayWriter", ()),
    "html": ("report.writer:ReportWriter", ()),
    "scores": ("scores:ScoresWriter", _SCORES),
    "coco": ("coco:CocoWriter", _MASK_ONLY),
    "panoptic": ("panoptic:PanopticWriter", _MASK_ONLY),
    "yolo": ("yolo:YoloWriter", _MASK_ONLY),
    "labelme": ("labelme:LabelmeWriter", _MASK_ONLY),
    "rrle": ("rrle:RrleWriter", _MASK_ONLY),
    "boxes": ("objects:BoxesWriter", _OBJECTS),
    "objects": ("objects:ObjectsWriter", _OBJECTS),
    "eigenvectors": ("objects:EigenvectorWriter", _OBJECTS),
}
_DATASETS = ("voc21", "voc20", "context60", "context59", "coco-object", "coco-stuff", "ade20k", "cityscapes")
_SOURCES = {
    "folder": ("folder:open_folder", "your own pictures, sorted by class"),
    "retrieval": ("pool.retrieval:open_retrieval", "photos of a pool, found by the words of a class"),
    "diffusion": ("diffusion.source:open_generation", "pictures out of a diffusion model"),
    "auto": ("auto:open_auto", "from the pool what it holds, the rest generated"),
}
_PRESETS = ("best", "default", "fast", "offline")
"""From the best to the least: ``auto`` takes the first that is present."""
_ENCODERS = {
    "open_clip": ("OPEN_CLIP", "ARCHITECTURE:TAG or ARCHITECTURE:FILE, a model of open_clip"),
    "timm": ("TIMM", "timm:NAME or timm:ARCHITECTURE:FILE, a model of timm"),
    "hf-hub": ("HUB", "hf-hub:OWNER/REPO[@REVISION], a repository of the Hugging Face hub"),
    "local-dir": ("FOLDER", "local-dir:PATH, a folder with a configuration and weights"),
}


def register() -> None:
    """Register everything that is built in."""
    for name, (place, tags) in _FORMATS.items():
        provide("format", name, f"ovseg.outputs.{place}", tags=tags)
    for name in _DATASETS:
        constant = name.replace("-", "_").upper()
        provide("dataset", name, f"ovseg.evaluation.datasets.catalog:{constant}")
    for name, (place, summary) in _SOURCES.items():
        provide("source", name, f"ovseg.support.{place}", summary=summary)
    for name in _PRESETS:
        provide("preset", name, f"ovseg.encoders.presets:{name.upper()}")
    for name, (constant, summary) in _ENCODERS.items():
        provide("encoder", name, f"ovseg.encoders.own_schemes:{constant}", summary=summary)
