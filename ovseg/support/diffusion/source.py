"""Source ``diffusion``: pictures of a class, generated until enough of them show it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ovseg.encoders.presets import Preset
from ovseg.errors import OvsegError
from ovseg.images.perceptual import likeness, thumbnail
from ovseg.support.base import Origin, SupportImage
from ovseg.support.diffusion.config import DiffusionConfig
from ovseg.support.diffusion.models import find_model, require_diffusers
from ovseg.support.diffusion.prompting import Prompting, load_prompting
from ovseg.support.diffusion.sample_store import Entry, SampleStore
from ovseg.support.diffusion.sampler import Request, Sampler
from ovseg.support.sample_classifier import ClassPrediction, SampleClassifier
from ovseg.vocabulary import ClassSpec

__all__ = [
    "DiffusionSource",
    "Drawn",
    "describe_before_opening",
    "enlarged",
    "open_diffusion",
    "open_generation",
]


@dataclass(frozen=True)
class Drawn:
    """A generated picture and what was thought of it.

    Attributes:
        request: Prompt and seed.
        entry: The picture, as it is kept.
        prediction: What it shows, or None: not asked, or no picture.
        rejected: Why it is not used, or None.
    """

    request: Request
    entry: Entry
    prediction: ClassPrediction | None
    rejected: str | None

    def to_dict(self) -> dict[str, Any]:
        """The decision, JSON-able; the picture's own facts stand in its sidecar."""
        prediction = None if self.prediction is None else asdict(self.prediction)
        return {
            "name": self.entry.name,
            "seed": self.request.seed,
            "sha256": self.entry.sha256,
            "verdict": prediction,
            "rejected": self.rejected,
        }


class DiffusionSource:
    """Pictures made by a text-to-image model, checked one by one and replaced by the next seed's.

    Seeds count up from the configured one. What is wanted is made in batches; what is rejected is made good
    in a further round, until enough are kept or ``shots * draws`` pictures are made. Every picture is kept on
    disk as soon as it is there, so that a call that was stopped goes on, and the same settings give the same
    files: a batch of which some pictures are missing is made again as a whole.

    Args:
        sampler: The model at work.
        sample_store: Where pictures are kept.
        prompting: What the model is asked for.
        sample_classifier: Says what a picture shows; None accepts whatever is a picture.
        on_message: Gets a line about what is going on.
    """

    name = "diffusion"

    def __init__(
        self,
        sampler: Sampler,
        sample_store: SampleStore,
        prompting: Prompting,
        sample_classifier: SampleClassifier | None = None,
        on_message: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.sampler = sampler
        self.sample_store = sample_store
        self.prompting = prompting
        self.config = sampler.config
        self.made = 0
        self._judge = sample_classifier
        self._on_message = on_message
        self._told = ""

    def images(self, spec: ClassSpec, shots: int) -> Iterator[SupportImage]:
        """Pictures of a class, the one that shows it best first.

        Raises:
            InputError: The model cannot be loaded.
            OutputError: The sample store cannot be written.
        """
        kept = [one for one in self.draw(spec, shots) if one.rejected is None]
        kept.sort(key=lambda one: (-one.prediction.margin if one.prediction else 0.0, one.request.seed))
        for one in kept:
            yield self.support_image(one)

    def draw(self, spec: ClassSpec, shots: int) -> list[Drawn]:
        """All pictures made for a class, kept and rejected, by seed."""
        most = max(shots, int(shots * self.config.draws))
        drawn: list[Drawn] = []
        thumbs: list[npt.NDArray[np.float32]] = []
        wanted = shots
        while wanted and len(drawn) < most:
            count = min(wanted, most - len(drawn))
            requests = [self._request(spec, len(drawn) + i) for i in range(count)]
            for request, entry in zip(requests, self._entries(requests), strict=True):
                drawn.append(self._decide(spec, request, entry, thumbs))
            wanted = shots - sum(one.rejected is None for one in drawn)
        self._say_how_it_went(spec, drawn, shots)
        return drawn

    def support_image(self, drawn: Drawn) -> SupportImage:
        """A picture with where it comes from, its attribution at its own size."""
        sample, record = drawn.entry.sample, drawn.entry.record
        details = {
            key: record[key] for key in ("prompt", "negative_prompt", "seed", "word", "settings", "made_with")
        }
        if drawn.prediction is not None:
            details["margin"] = round(drawn.prediction.margin, 6)
        licence = str(record["settings"]["model"]["licence"])
        origin = Origin(self.name, drawn.entry.name, drawn.entry.sha256, licence, details)
        height, width = sample.pixels.shape[:2]
        attribution = None if sample.attribution is None else enlarged(sample.attribution, (height, width))
        return SupportImage(sample.pixels, origin, attribution=attribution)

    def describe(self) -> dict[str, Any]:
        """Model, settings, prompts and checks."""
        chosen = {"margin": self.config.margin if self._judge else None}
        chosen |= {key: getattr(self.config, key) for key in ("seed", "attributes", "duplicate", "draws")}
        batch = self.sampler.batch_size
        return {
            "source": self.name,
            **self.sampler.describe(),
            **chosen,
            "batch_size": batch,
            "prompts": self.prompting.hash,
        }

    def _request(self, spec: ClassSpec, number: int) -> Request:
        prompt = self.prompting.prompt(spec, number, self.config.attributes)
        return Request(prompt, self.config.seed + number)

    def _entries(self, requests: Sequence[Request]) -> Iterator[Entry]:
        """Pictures from disk where they are, made where they are not."""
        size = self.sampler.batch_size
        for start in range(0, len(requests), size):
            batch = requests[start : start + size]
            found = [self.sample_store.get(request) for request in batch]
            if any(entry is None for entry in found):
                samples = self.sampler.sample(batch)
                self.made += found.count(None)
                if self.sampler.note and self.sampler.note != self._told:
                    self._told = self.sampler.note
                    self._on_message(self._told)
                missing = [index for index, entry in enumerate(found) if entry is None]
                made = self.sample_store.put_all(
                    [batch[i] for i in missing], [samples[i] for i in missing], self.sampler.metadata()
                )
                for index, entry in zip(missing, made, strict=True):
                    found[index] = entry
            yield from (entry for entry in found if entry is not None)

    def _decide(
        self, spec: ClassSpec, request: Request, entry: Entry, thumbs: list[npt.NDArray[np.float32]]
    ) -> Drawn:
        """Judge a picture; the thumbnail of one that is kept is added to ``thumbs``."""
        if entry.sample.flaw is not None:
            return Drawn(request, entry, None, entry.sample.flaw)
        thumb = thumbnail(entry.sample.pixels)
        prediction = None
        if self._judge is not None and self.config.margin is not None:
            prediction = self._judge.sample_classifier(entry.sample.pixels, spec.name)
            if prediction.margin < self.config.margin:
                return Drawn(request, entry, prediction, f"looks like {prediction.rival}")
        if any(likeness(thumb, other) >= self.config.duplicate for other in thumbs):
            return Drawn(request, entry, prediction, "nearly the same as another")
        thumbs.append(thumb)
        return Drawn(request, entry, prediction, None)

    def _say_how_it_went(self, spec: ClassSpec, drawn: Sequence[Drawn], shots: int) -> None:
        reasons = [one.rejected for one in drawn if one.rejected is not None]
        kept = len(drawn) - len(reasons)
        line = f"{spec.name}: {kept} of {len(drawn)} generated pictures kept"
        if reasons:
            common = max(dict.fromkeys(reasons), key=reasons.count)
            line += f" (most often: {common})"
        if kept < shots:
            line += f", {shots} were wanted"
        self._on_message(line)


def enlarged(values: npt.NDArray[np.float32], size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """(h, w) in [0, 1] at another size, bilinear."""
    from PIL import Image

    image = Image.fromarray(values).resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(image, np.float32).clip(0, 1)


def open_diffusion(
    config: DiffusionConfig,
    encoders: Preset | None,
    classes: Sequence[ClassSpec],
    folder: Path,
    *,
    device: Any = None,
    on_message: Callable[[str], None] = lambda line: None,
) -> DiffusionSource:
    """Open the source; finds the model at once, and loads it with the first picture that is missing.

    Args:
        config: What is generated, and how.
        encoders: Names of a preset, which judge the pictures; None: no judge.
        classes: The vocabulary, whose other names are what a picture may show instead.
        folder: Where pictures are kept.
        device: Where the model computes; None takes that of the preset.
        on_message: Gets lines for the user.

    Raises:
        WeightsUnavailable: The model is not on this machine.
        InputError: There is no such model, or prompt patterns cannot be read.
        DependencyMissing: diffusers is not installed.
    """
    from ovseg.device import resolve_device

    record = find_model(config)
    if find_spec("diffusers") is None:  # imported with the first picture that is missing: that takes seconds
        require_diffusers()
    place = device or (encoders.device if encoders is not None else resolve_device("auto"))
    sampler = Sampler(record, config, place)
    sample_classifier = None
    if encoders is not None and config.margin is not None:
        sample_classifier = SampleClassifier(encoders.image_text, classes, encoders.device, encoders.words)
    sample_store = SampleStore(folder, sampler.describe())
    return DiffusionSource(
        sampler, sample_store, load_prompting(config.prompts), sample_classifier, on_message
    )


def describe_before_opening(config: DiffusionConfig) -> dict[str, Any]:
    """What the source would be: its settings, and its model where it is on this machine."""
    try:
        model: dict[str, Any] | None = find_model(config).to_dict()
    except OvsegError:
        model = None  # whoever needs it is told why
    # Where a model lies says nothing of what it is.
    settings = {name: value for name, value in config.to_dict().items() if name not in ("model", "layout")}
    return {"source": DiffusionSource.name, "model": model, "settings": settings}


def open_generation(
    *,
    encoders: Preset,
    classes: Sequence[ClassSpec],
    diffusion: DiffusionConfig | None = None,
    generated: Path | None = None,
    on_message: Callable[[str], None] = lambda line: None,
) -> DiffusionSource:
    """The source as ``open_source`` opens it.

    Args:
        encoders: A loaded preset, which judges the pictures.
        classes: The vocabulary.
        diffusion: What is generated, and how.
        generated: Where pictures are kept; None: ``generated/`` in the cache.
        on_message: Gets lines for the user.
    """
    from ovseg.weights import default_cache_dir

    folder = generated or default_cache_dir() / "generated"
    return open_diffusion(diffusion or DiffusionConfig(), encoders, classes, folder, on_message=on_message)
