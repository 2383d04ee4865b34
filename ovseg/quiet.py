"""Silence while diffusers and transformers load: their remarks and bars tell users of ovseg nothing."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def quiet() -> Iterator[None]:
    """Without the remarks and bars that diffusers and transformers print while they load."""
    names = ("diffusers", "transformers")
    levels = {name: logging.getLogger(name).level for name in names}
    bars = _progress_bars()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            logging.getLogger(name).setLevel(logging.ERROR)
        for _, off, _ in bars:
            off()
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
            for enabled, _, on in bars:
                if enabled:
                    on()


def _progress_bars() -> list[tuple[bool, Any, Any]]:
    """Of each library that is imported already: whether its bars are on, and how to turn them off and on."""
    found = []
    for name in ("diffusers", "transformers"):
        module = sys.modules.get(f"{name}.utils.logging")
        if module is not None:
            enabled = bool(module.is_progress_bar_enabled())
            found.append((enabled, module.disable_progress_bar, module.enable_progress_bar))
    return found
