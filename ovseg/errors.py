"""Expected failures: what a user can put right, each in one line that says how.

::

    OvsegError                 exit code 1
    ├── UsageError             2   the call does not make sense (no classes, clashing settings)
    │   └── ConfigError        2   an unknown key or a value out of range in a configuration
    ├── InputError             1   a file cannot be read as what it should be; the run goes on without it
    ├── OutputError            1   an output cannot be written, or belongs to another run
    ├── DatasetError           1   a data set is missing, half unpacked or malformed
    ├── UnknownName            2   no preset, encoder, format… of that name; names the nearest
    ├── WeightsUnavailable     4   weights are not on this machine, or are not the recorded ones
    ├── BankMismatch           1   a bank or pool was made by other encoders, or is damaged
    └── DependencyMissing      1   an optional package is not installed

Anything else that is raised is a bug and keeps its traceback.

A line that advises a parameter writes it as Python does (``overwrite=True``, or ``support=`` for any value)
and names it in ``parameters``; the command line shows the flag of that name in its place.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "BankMismatch",
    "ConfigError",
    "DatasetError",
    "DependencyMissing",
    "InputError",
    "OutputError",
    "OvsegError",
    "UnknownName",
    "UsageError",
    "WeightsUnavailable",
    "reason",
    "suggestion",
]


class OvsegError(Exception):
    """A failure that the user can put right; ``str(error)`` is one line that says how.

    Args:
        message: The line.
        parameters: Names of the parameters that it advises; each stands in it as ``name=value`` or ``name=``.
    """

    exit_code = 1

    def __init__(self, message: str = "", *, parameters: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.parameters = tuple(parameters)


class UsageError(OvsegError):
    """The call does not make sense: no classes, settings that exclude each other, no inputs."""

    exit_code = 2


class ConfigError(UsageError):
    """An unknown key, or a value of the wrong type or out of range, in a configuration."""


class InputError(OvsegError):
    """A file cannot be read as what it should be (an image, a list of names, a mask)."""


class OutputError(OvsegError):
    """An output cannot be written, or the output folder holds another run."""


class DatasetError(OvsegError):
    """A data set is missing, half unpacked or malformed; the line names the path looked for."""


class UnknownName(UsageError):
    """Nothing of that name is registered; the line lists the nearest names."""


class WeightsUnavailable(OvsegError):
    """Weights are not on this machine or do not have the recorded hash."""

    exit_code = 4


class BankMismatch(OvsegError):
    """A bank or pool was made by other encoders, is damaged, or is of a newer version."""


class DependencyMissing(OvsegError):
    """An optional package is not installed; the line gives the command that installs it."""


def reason(error: BaseException) -> str:
    """Why something failed, to stand behind a path: no number of an ``OSError``, and not the path again."""
    strerror = error.strerror if isinstance(error, OSError) else None
    return strerror or str(error)


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ``did you mean a, b?`` with the nearest names, or ``there is a, b, c`` where none is near."""
    import difflib  # slow to import, and needed only where something is wrong

    names = list(known)
    folded = {entry.casefold(): entry for entry in names}
    nearest = difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.5)
    if nearest:
        return f"did you mean {', '.join(folded[entry] for entry in nearest)}?"
    return f"there is {', '.join(names)}"
