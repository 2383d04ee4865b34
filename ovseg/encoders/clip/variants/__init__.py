"""Dense variants: replacements of the last block's attention, one module each.

They are registered in :data:`ovseg.encoders.clip.variants.base.DENSE_VARIANTS`; `dense_variant` looks one up.
"""

from __future__ import annotations

import importlib
import pkgutil

from ovseg.encoders.clip.variants.base import DENSE_VARIANTS, DenseVariant

__all__ = ["DENSE_VARIANTS", "DenseVariant", "dense_variant"]

for _module in sorted(module.name for module in pkgutil.iter_modules(__path__)):
    importlib.import_module(f"{__name__}.{_module}")


def dense_variant(name: str) -> DenseVariant:
    """Return the variant of that name.

    Raises:
        UnknownName: There is none; the message suggests similar names.
    """
    return DENSE_VARIANTS.get(name)
