"""What a long piece of work over many images tells whoever watches it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Is told how far the work is, always from the thread that started it."""

    def start(self, total: int, done: int) -> None:
        """It begins: ``total`` images, of which ``done`` were finished before."""
        ...

    def advance(self, failure: str | None = None) -> None:
        """One more image is finished, or could not be read for the reason given."""
        ...


class Silent:
    """Progress that nobody watches."""

    def start(self, total: int, done: int) -> None:
        """Say nothing."""

    def advance(self, failure: str | None = None) -> None:
        """Say nothing."""
