"""Everything that the commands of segmentation can be told, in the shape of a configuration file."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from ovseg.config import SegmentConfig
from ovseg.plugin_settings import PluginSettings
from ovseg.runs.config import RunConfig

if TYPE_CHECKING:
    from ovseg.encoders.roles import ModelChoice

__all__ = ["DEFAULTS", "InputSettings", "Settings"]


@dataclass(frozen=True)
class InputSettings:
    """Which files of the inputs count.

    Attributes:
        recursive: Whether folders are searched to the bottom.
        include: Patterns, of which a file must match one.
        exclude: Patterns of files and folders to leave out.
    """

    recursive: bool = True
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """Everything that can be set, in the shape of a configuration file.

    Attributes:
        preset: Name of the preset.
        image_text_encoder: Image-text encoder, in place of the preset's; None: the preset's.
        backbone: Patch-feature backbone, likewise.
        prototype_backbone: Prototype backbone, likewise.
        dense_variant: Method for patch features of CLIP; None: as the preset says.
        templates: Set of templates into which CLIP's words are put; None: as the preset says.
        device: Where to compute.
        dtype: In which precision.
        cache_dir: Folder of converted weights; None: the user's cache folder.
        classes: Values as ``-c`` takes them.
        classes_file: A file with a class a line.
        vocabulary: A shipped vocabulary or a TOML file.
        background: Whether a pixel may be none of the classes; None: as the vocabulary says (yes by default).
        bank: A bank file that says what classes look like.
        pool: ``self`` or a pool, of which a bank is made for the run.
        inputs: Which files count.
        segment: How images are segmented.
        run: How the run goes about it.
        encoder: Settings that encoders of plug-ins declare, by encoder.
        format: Likewise those of output formats.
        dataset: Likewise those of data sets.
    """

    preset: str = "auto"
    image_text_encoder: str | None = None
    backbone: str | None = None
    prototype_backbone: str | None = None
    dense_variant: str | None = None
    templates: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    cache_dir: str | None = None
    classes: tuple[str, ...] = ()
    classes_file: str | None = None
    vocabulary: str | None = None
    background: bool | None = None
    bank: str | None = None
    pool: str | None = None
    inputs: InputSettings = field(default_factory=InputSettings)
    segment: SegmentConfig = field(default_factory=SegmentConfig)
    run: RunConfig = field(default_factory=RunConfig)
    encoder: PluginSettings = field(default_factory=partial(PluginSettings, "encoder"))
    format: PluginSettings = field(default_factory=partial(PluginSettings, "format"))
    dataset: PluginSettings = field(default_factory=partial(PluginSettings, "dataset"))

    @property
    def roles(self) -> ModelChoice:
        """Models that take the place of the preset's own."""
        from ovseg.encoders.roles import ModelChoice

        models = (self.image_text_encoder, self.backbone, self.prototype_backbone)
        return ModelChoice(*models, self.dense_variant, self.templates, self.encoder.queries())


DEFAULTS = Settings()
