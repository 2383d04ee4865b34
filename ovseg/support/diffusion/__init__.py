"""Support images out of a text-to-image diffusion model, with maps of where it drew the class.

Names in, pictures out, as in OVDiff (Karazija et al., ECCV 2024), with the attribution maps of DAAM
(Tang et al., ACL 2023).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ovseg.lazy import lazy_exports

if TYPE_CHECKING:
    from ovseg.support.diffusion.attention import AttentionRecorder
    from ovseg.support.diffusion.config import DiffusionConfig
    from ovseg.support.diffusion.models import find_model, load_pipeline
    from ovseg.support.diffusion.prompting import Prompting, load_prompting
    from ovseg.support.diffusion.sample_store import SampleStore
    from ovseg.support.diffusion.sampler import Sampler

else:
    # The help of the command line needs the configuration only, and not torch.
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "AttentionRecorder": "ovseg.support.diffusion.attention",
            "DiffusionConfig": "ovseg.support.diffusion.config",
            "Gallery": "ovseg.support.diffusion.sample_store",
            "Prompting": "ovseg.support.diffusion.prompting",
            "Sampler": "ovseg.support.diffusion.sampler",
            "find_model": "ovseg.support.diffusion.models",
            "load_pipeline": "ovseg.support.diffusion.models",
            "load_prompting": "ovseg.support.diffusion.prompting",
        },
    )

__all__ = [
    "AttentionRecorder",
    "DiffusionConfig",
    "Prompting",
    "SampleStore",
    "Sampler",
    "find_model",
    "load_pipeline",
    "load_prompting",
]
