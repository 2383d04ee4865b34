"""Anybody's own data: ``images/``, ``masks/`` and ``classes.txt``."""

from __future__ import annotations

from pathlib import Path

from ovseg.errors import DatasetError, InputError
from ovseg.evaluation.datasets.base import Dataset, mask_samples, require_unique
from ovseg.evaluation.datasets.catalog import DatasetCard
from ovseg.evaluation.datasets.truth import identity_table
from ovseg.images import SUFFIXES
from ovseg.vocabulary import ClassSpec, read_classes_file

TREE = (
    "images/NAME.jpg (any photo format), masks/NAME.png (indices into classes.txt, 255 ignored) and"
    " classes.txt (one name a line)"
)


def load_folder(root: Path, *, background: bool) -> Dataset:
    """Read a folder data set; sub-folders of ``images`` and ``masks`` must agree.

    Args:
        root: The folder.
        background: Whether index 0, the first line of ``classes.txt``, is background. If so its pixels are a
            class of the truth, but no name is looked for there.

    Raises:
        DatasetError: The tree is missing or not whole, or two images have one name.
    """
    card = DatasetCard("folder", "", f"{__name__}:load_folder", TREE, has_background=background)
    if not (root / "classes.txt").is_file():
        raise DatasetError(f"folder: not found: looked for {root / 'classes.txt'}; the tree must hold {TREE}")
    classes = tuple(spec.name for spec in folder_classes(root))
    require_unique(classes, str(root / "classes.txt"))
    images_root, masks_root = (_folder(root / part) for part in ("images", "masks"))
    masks = {_name(path, masks_root): path for path in sorted(masks_root.rglob("*.png"))}
    images: dict[str, Path] = {}
    for path in sorted(path for path in images_root.rglob("*") if path.suffix.lower() in SUFFIXES):
        name = _name(path, images_root)
        if name in images and name in masks:
            raise DatasetError(
                f"{images[name]} and {path} share the mask of {name!r}: every image must occur once"
            )
        images[name] = path
    if missing := sorted(masks.keys() - images.keys()):
        raise DatasetError(
            f"folder: {len(missing)} of {len(masks)} masks have no image, the first is {masks[missing[0]]};"
            f" looked in {images_root}; the tree must hold {TREE}"
        )
    without = len(images) - len(masks)
    table = identity_table(len(classes))
    return Dataset(
        card=card,
        root=root,
        layout=f"folder {root.resolve().name}",
        classes=classes,
        has_background=background,
        samples=mask_samples(masks, (images[name] for name in masks), masks.values(), table),
        remarks=(f"{without} images without a mask are left out",) if without else (),
    )


def folder_classes(root: Path) -> tuple[ClassSpec, ...]:
    """Classes of ``classes.txt`` in index order, background among them; synonyms may follow after ``=``.

    Raises:
        DatasetError: The file is missing or holds no names.
    """
    try:
        classes = read_classes_file(root / "classes.txt")
    except InputError as error:
        raise DatasetError(str(error)) from error
    if not classes:
        raise DatasetError(f"{root / 'classes.txt'} holds no class names")
    return classes


def _folder(path: Path) -> Path:
    """``path``, or what it points to: git leaves a one-line text file where it cannot make links."""
    if path.is_file() and path.stat().st_size < 1024:
        target = path.parent / path.read_text(encoding="utf-8", errors="replace").strip()
        if target.is_dir():
            return target
    if not path.is_dir():
        raise DatasetError(f"folder: not found: looked for {path}; the tree must hold {TREE}")
    return path


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).with_suffix("").as_posix()
