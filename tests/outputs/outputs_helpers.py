"""What the tests of the writers share beside fixtures."""

from __future__ import annotations

from collections.abc import Callable

from ovseg.outputs import OutputItem

MakeItem = Callable[..., OutputItem]
