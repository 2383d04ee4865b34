"""Source ``auto``: photos of the pool where it holds the class, generated pictures where it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ovseg.encoders.presets import Preset
from ovseg.errors import ConfigError, OvsegError
from ovseg.support.base import SupportImage, SupportSource
from ovseg.support.diffusion.config import DiffusionConfig
from ovseg.support.diffusion.source import describe_before_opening, open_generation
from ovseg.support.pool.config import RetrievalConfig
from ovseg.support.pool.model import Pool
from ovseg.support.pool.retrieval import open_retrieval
from ovseg.vocabulary import ClassSpec

__all__ = ["AutoConfig", "AutoSource", "Choice"]


@dataclass(frozen=True)
class AutoConfig:
    """When a pool holds a class.

    Attributes:
        least: So many of its photos must show the class for certain; fewer where fewer shots are wanted.
        margin: Logarithm of how much likelier than the best other word the class must be in such a photo.
            Photos below it are not used. It is far above what retrieval itself asks for: when a class is
            missing from a pool, something else in it is always the most like it.

    Raises:
        ConfigError: A value is out of range.
    """

    least: int = 3
    margin: float = 2.0

    def __post_init__(self) -> None:
        if self.least < 1:
            raise ConfigError(f"least must be at least 1, not {self.least}")
        if not abs(self.margin) < float("inf"):
            raise ConfigError(f"margin must be a number, not {self.margin}")


@dataclass(frozen=True)
class Choice:
    """What was taken for a class, and why.

    Attributes:
        source: ``retrieval`` or ``diffusion``.
        reason: In words.
        photos: Those of the pool that show the class for certain.
    """

    source: str
    reason: str
    photos: tuple[SupportImage, ...]


class AutoSource:
    """Retrieval first, for it costs nothing and shows the world as it is; generation for what is missing.

    Args:
        retrieval: A source whose images have a ``margin`` among the details of their origin; one without
            counts as certain.
        generation: Opens the source that generates; called for the first class that needs it.
        generator: What describes that source, as far as it can be told without opening it.
        config: When a pool holds a class.
        on_message: Gets a line a class that says what was taken and why.
    """

    name = "auto"

    def __init__(
        self,
        retrieval: SupportSource,
        generation: Callable[[], SupportSource],
        generator: dict[str, Any],
        config: AutoConfig | None = None,
        on_message: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.config = config or AutoConfig()
        self._retrieval = retrieval
        self._open = generation
        self._generator = generator
        self._on_message = on_message
        self._opened: SupportSource | None = None

    def choose(self, spec: ClassSpec, shots: int) -> Choice:
        """Where the pictures of a class should come from."""
        photos = tuple(
            photo
            for photo in self._retrieval.images(spec, shots)
            if float(photo.origin.details.get("margin", float("inf"))) >= self.config.margin
        )
        sure, least = len(photos), min(self.config.least, shots)
        if sure >= least:
            return Choice("retrieval", f"{sure} photos of the pool surely show it", photos)
        reason = f"{sure or 'no'} photos of the pool surely show it, and {least} should"
        return Choice("diffusion", reason, photos)

    def images(self, spec: ClassSpec, shots: int) -> Iterator[SupportImage]:
        """Pictures from the one place or the other, with the reason among their details.

        Raises:
            OvsegError: Pictures must be generated, and the model is not here.
        """
        choice = self.choose(spec, shots)
        if choice.source == "retrieval":
            self._on_message(f"{spec.name}: retrieved, since {choice.reason}")
            found: Iterator[SupportImage] = iter(choice.photos)
        else:
            self._on_message(f"{spec.name}: generated, since {choice.reason}")
            found = self._generation(spec, choice).images(spec, shots)
        for image in found:
            details = image.origin.details | {"auto": choice.reason}
            yield replace(image, origin=replace(image.origin, details=details))

    def describe(self) -> dict[str, Any]:
        """Both sources and the rule."""
        return {
            "source": self.name,
            **asdict(self.config),
            "retrieval": self._retrieval.describe(),
            "generation": self._generator,
        }

    def _generation(self, spec: ClassSpec, choice: Choice) -> SupportSource:
        if self._opened is None:
            try:
                self._opened = self._open()
            except OvsegError as error:
                raise type(error)(f"{spec.name} must be generated ({choice.reason}), but {error}") from error
        return self._opened


def open_auto(
    *,
    encoders: Preset,
    classes: Sequence[ClassSpec],
    pool: Path | Pool,
    photos: Sequence[Path] | None = None,
    config: RetrievalConfig | None = None,
    diffusion: DiffusionConfig | None = None,
    generated: Path | None = None,
    on_message: Callable[[str], None] = lambda line: None,
    auto: AutoConfig | None = None,
) -> AutoSource:
    """The source as ``open_source`` opens it; arguments as of ``open_retrieval`` and ``open_generation``."""
    model = diffusion or DiffusionConfig()
    return AutoSource(
        open_retrieval(encoders=encoders, classes=classes, pool=pool, photos=photos, config=config),
        lambda: open_generation(
            encoders=encoders, classes=classes, diffusion=model, generated=generated, on_message=on_message
        ),
        describe_before_opening(model),
        auto,
        on_message,
    )
