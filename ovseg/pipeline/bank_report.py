"""What became of each class of a bank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ovseg.prototypes import PrototypeBank

__all__ = ["BankBuild", "ClassReport"]


@dataclass(frozen=True)
class ClassReport:
    """What became of one class.

    Attributes:
        name: The class.
        used: Images that prototypes were made of.
        rejected: (name of the image, reason) of the others.
        prototypes: Their number, before cleaning.
    """

    name: str
    used: int
    rejected: tuple[tuple[str, str], ...]
    prototypes: int

    def line(self) -> str:
        """In one line, for the user."""
        return f"{self.name}: {self.summary()}"

    def summary(self) -> str:
        """The line without the name, for a page that has it as its heading."""
        found = self.used + len(self.rejected)
        text = f"{self.used} of {found} images used, {self.prototypes} prototypes"
        if not found:
            text = "no support image found"
        reasons = [f"{name} ({reason})" for name, reason in self.rejected[:3]]
        more = f" and {len(self.rejected) - 3} more" if len(self.rejected) > 3 else ""
        return text + (f"; rejected {', '.join(reasons)}{more}" if reasons else "")

    def to_json(self) -> dict[str, Any]:
        """For the bank's facts."""
        rejected = [list(pair) for pair in self.rejected]
        return {"name": self.name, "used": self.used, "rejected": rejected, "prototypes": self.prototypes}

    @classmethod
    def from_json(cls, entry: Any) -> ClassReport:
        """Back from the facts of a bank that this ovseg wrote."""
        rejected = tuple((str(name), str(reason)) for name, reason in entry["rejected"])
        return cls(str(entry["name"]), int(entry["used"]), rejected, int(entry["prototypes"]))


@dataclass(frozen=True)
class BankBuild:
    """A bank that was built.

    Attributes:
        bank: It.
        reports: What became of each class.
        resumed: Classes that an earlier call had done.
    """

    bank: PrototypeBank
    reports: tuple[ClassReport, ...]
    resumed: int = 0

    @property
    def unsupported(self) -> tuple[str, ...]:
        """Classes without a single support image."""
        return tuple(report.name for report in self.reports if not report.used)
