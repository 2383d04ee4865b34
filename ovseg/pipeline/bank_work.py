"""Finished classes of a bank that is being built: a file a class, in a folder beside it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from ovseg.errors import BankMismatch, OutputError
from ovseg.files import digest, write_json
from ovseg.prototypes import PrototypeBank, load_bank, save_bank

__all__ = ["BankWork"]

_PLAN = "plan.json"


class BankWork:
    """``FILE.bank.work/``, which is there only while the bank is not done.

    Args:
        out: The bank that will be written.
        plan: Whatever can change it, JSON-able. What another plan left is dropped.

    Raises:
        OutputError: The folder holds something else, or cannot be written.
    """

    def __init__(self, out: Path, plan: dict[str, Any]) -> None:
        self.folder = out.with_name(out.name + ".work")
        self.digest = digest(plan)
        if self.folder.is_dir() and self._kept_digest() != self.digest:
            self.close()
        write_json(self.folder / _PLAN, {"digest": self.digest, "plan": plan})

    def get(self, number: int) -> PrototypeBank | None:
        """Return the bank of the class at ``number``, if it was made; a damaged file counts as none."""
        path = self._path(number)
        if not path.is_file():
            return None
        try:
            return load_bank(path)
        except BankMismatch:
            return None

    def put(self, number: int, bank: PrototypeBank) -> None:
        """Keep the bank of a class."""
        save_bank(bank, self._path(number))

    def finish(self, bank: PrototypeBank, out: Path) -> None:
        """Put the whole bank in its place, and remove the folder.

        What a kill leaves of a file that is being written lies in the folder, and goes with it.

        Raises:
            OutputError: The bank cannot be written.
        """
        whole = self.folder / "whole.bank"
        save_bank(bank, whole)
        try:
            whole.replace(out)
        except OSError as error:
            raise OutputError(f"cannot write {out}: {error.strerror}") from error
        self.close()

    def close(self) -> None:
        """Remove the folder, if it was made by ovseg."""
        if not (self.folder / _PLAN).is_file() and any(self.folder.iterdir()):
            raise OutputError(
                f"{self.folder} is in the way: ovseg keeps what is done of a bank there, and this is not it"
            )
        shutil.rmtree(self.folder)

    def _path(self, number: int) -> Path:
        return self.folder / f"class-{number:06}.bank"

    def _kept_digest(self) -> str | None:
        try:
            content = json.loads((self.folder / _PLAN).read_text(encoding="utf-8"))
            return str(content["digest"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
