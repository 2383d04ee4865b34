"""Where ovseg keeps what it makes of weights."""

from __future__ import annotations

import os
from pathlib import Path


def default_cache_dir() -> Path:
    """``$OVSEG_CACHE_DIR``, or the user's cache folder for ovseg."""
    import platformdirs

    return Path(os.environ.get("OVSEG_CACHE_DIR") or platformdirs.user_cache_dir("ovseg"))
