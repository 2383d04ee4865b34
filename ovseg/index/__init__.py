"""Nearest neighbours among unit vectors by inner product: exact up to a size, approximate above."""

from typing import TYPE_CHECKING

from ovseg.lazy import lazy_exports

if TYPE_CHECKING:
    from ovseg.index.base import Index
    from ovseg.index.build import build_index
    from ovseg.index.config import IndexConfig
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "Index": "ovseg.index.base",
            "IndexConfig": "ovseg.index.config",
            "build_index": "ovseg.index.build",
        },
    )

__all__ = ["Index", "IndexConfig", "build_index"]
