"""Objects without names: normalized cut on patch features, many objects, and a score that can say no.

Pure functions over arrays and tensors; no files, no encoders. `discover` is the way in.
"""

from typing import TYPE_CHECKING

from ovseg.lazy import lazy_exports

if TYPE_CHECKING:
    from ovseg.discovery.config import DiscoveryConfig, EigenConfig
    from ovseg.discovery.eigen import second_eigenvectors
    from ovseg.discovery.find import Discovery, discover, discover_image, foreground_evidence
    from ovseg.discovery.sizing import at_size, refine_mask
    from ovseg.discovery.spectral import connected_regions, spectral_segments
else:
    # The help of the command line needs the configuration only, and not torch.
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "Discovery": "ovseg.discovery.find",
            "DiscoveryConfig": "ovseg.discovery.config",
            "EigenConfig": "ovseg.discovery.config",
            "at_size": "ovseg.discovery.sizing",
            "connected_regions": "ovseg.discovery.spectral",
            "discover": "ovseg.discovery.find",
            "discover_image": "ovseg.discovery.find",
            "foreground_evidence": "ovseg.discovery.find",
            "refine_mask": "ovseg.discovery.sizing",
            "second_eigenvectors": "ovseg.discovery.eigen",
            "spectral_segments": "ovseg.discovery.spectral",
        },
    )

__all__ = [
    "Discovery",
    "DiscoveryConfig",
    "EigenConfig",
    "at_size",
    "connected_regions",
    "discover",
    "discover_image",
    "foreground_evidence",
    "refine_mask",
    "second_eigenvectors",
    "spectral_segments",
]
