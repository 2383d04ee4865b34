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
    from ovseg.vocabulary import Vocabulary

__all__ = ["banked_vocabulary", "drop_encodings", "load_segmenter", "take_bank"]


def load_segmenter(settings: Settings, *, quiet: bool) -> Segmenter:
    """The segmenter that was asked for, its encoders loaded; says which preset it has.

    Its bank, where there is one, chooses the preset for ``auto``; ``take_bank`` lets it be used.

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
        cache_dir=Path(settings.cache_dir) if settings.cache_dir else None,
        bank=settings.bank,
    )
    say(segmenter.note, quiet=quiet)
    return segmenter


def banked_vocabulary(settings: Settings) -> Vocabulary:
    """The classes that were asked for, or those of ``--bank`` where none were.

    Raises:
        UsageError: ``--bank`` and ``--pool`` at once, or no classes from anywhere.
    """
    if settings.bank is not None and settings.pool is not None:
        raise UsageError("--bank and --pool exclude each other: a pool is made into a bank of its own")
    if settings.bank is None or settings.classes or settings.classes_file or settings.vocabulary:
        return chosen_vocabulary(settings)
    from ovseg.prototypes import load_bank
    from ovseg.vocabulary import Vocabulary

    classes = load_bank(Path(settings.bank)).classes
    return Vocabulary(classes, has_background=settings.background is not False, source="bank")


def take_bank(
    segmenter: Segmenter,
    settings: Settings,
    vocabulary: Vocabulary,
    paths: Sequence[Path],
    out: Path,
    *,
    quiet: bool,
) -> None:
    """Let the segmenter use the bank that was asked for, made first where it comes from a pool."""
    if settings.pool is not None:
        from ovseg.pipeline.pool_bank import bank_from_pool

        with shown_progress(quiet=quiet) as progress:
            if settings.pool == "self":
                progress.start(len(paths), 0)
            bank = bank_from_pool(
                segmenter,
                settings.pool,
                vocabulary,
                paths,
                out,
                on_message=lambda line: say(line, quiet=quiet),
                advance=progress.advance,
            )
    elif settings.bank is not None:
        bank = segmenter.bank or segmenter.use_bank(settings.bank)
    else:
        return
    missing = bank.missing(vocabulary)
    if missing:
        shown = ", ".join(missing[:8]) + (" …" if len(missing) > 8 else "")
        say(f"the bank has no picture of {shown}: there names decide alone", quiet=quiet)


def drop_encodings(settings: Settings, out: Path) -> None:
    """Remove the encodings that were kept for a second look, once a run is complete."""
    if settings.pool == "self":
        import shutil

        from ovseg.pipeline.pool_bank import encodings_beside

        shutil.rmtree(encodings_beside(out), ignore_errors=True)
