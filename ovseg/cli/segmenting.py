"""What the commands that segment share: the segmenter, its classes, what ``--bank`` and ``--pool`` mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ovseg.cli.classes import chosen_vocabulary
from ovseg.cli.common import say
from ovseg.cli.progress import shown_progress
from ovseg.errors import UsageError

if TYPE_CHECKING:
    from ovseg.cli.settings import Settings
    from ovseg.pipeline import Segmenter
    from ovseg.prototypes import PrototypeBank
    from ovseg.vocabulary import Vocabulary

__all__ = ["banked_vocabulary", "drop_encodings", "load_segmenter", "read_bank", "take_bank"]


def read_bank(settings: Settings) -> PrototypeBank | None:
    """Read and check the bank that was asked for, once for a command; None without ``--bank``.

    Raises:
        UsageError: ``--bank`` and ``--pool`` at once.
        BankMismatch: It is no bank, or damaged.
    """
    if settings.bank is None:
        return None
    if settings.pool is not None:
        raise UsageError("--bank and --pool exclude each other: a pool is made into a bank of its own")
    from ovseg.prototypes import load_bank

    return load_bank(Path(settings.bank))


def load_segmenter(settings: Settings, bank: PrototypeBank | None = None, *, quiet: bool) -> Segmenter:
    """Return the segmenter that was asked for, its encoders loaded; says which preset it has.

    A bank takes part, and chooses the preset for ``auto``.

    Raises:
        OvsegError: As ``Segmenter`` does.
    """
    from ovseg.pipeline import Segmenter

    segmenter = Segmenter(
        settings.preset,
        roles=settings.roles,
        device=settings.device,
        dtype=settings.dtype,
        config=settings.segment,
        cache_dir=settings.cache_dir,
        bank=bank,
    )
    say(segmenter.note, quiet=quiet)
    return segmenter


def banked_vocabulary(settings: Settings, bank: PrototypeBank | None) -> Vocabulary:
    """Return the classes that were asked for, or those of the bank where none were.

    Raises:
        UsageError: No classes from anywhere.
    """
    if bank is None or settings.classes or settings.classes_file or settings.vocabulary:
        return chosen_vocabulary(settings)
    from ovseg.vocabulary import Vocabulary

    return Vocabulary(bank.classes, has_background=settings.background is not False, source="bank")


def take_bank(
    segmenter: Segmenter,
    settings: Settings,
    vocabulary: Vocabulary,
    paths: Sequence[Path],
    out: Path,
    *,
    quiet: bool,
) -> None:
    """Make the bank of ``--pool`` and let the segmenter use it; say which classes its bank lacks."""
    if settings.pool is None and settings.bank is None:
        return
    bank = segmenter.bank
    if settings.pool is not None:
        from ovseg.pipeline.banks import RunImages, bank_from_pool

        with shown_progress(quiet=quiet) as progress:
            if settings.pool == "self":
                progress.start(len(paths), 0)
            bank = bank_from_pool(
                segmenter,
                settings.pool,
                vocabulary,
                RunImages(paths, out),
                on_message=lambda line: say(line, quiet=quiet),
                advance=progress.advance,
            )
    missing = bank.missing(vocabulary) if bank is not None else []
    if missing:
        shown = ", ".join(missing[:8]) + (" …" if len(missing) > 8 else "")
        say(f"the bank has no picture of {shown}: there names decide alone", quiet=quiet)


def drop_encodings(settings: Settings, out: Path) -> None:
    """Remove the encodings that were kept for a second look, once a run is complete."""
    if settings.pool == "self":
        import shutil

        from ovseg.pipeline.banks import encodings_beside

        shutil.rmtree(encodings_beside(out), ignore_errors=True)
