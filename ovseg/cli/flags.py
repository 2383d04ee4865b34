"""Flags that commands share, as a dataclass: declared once, and read as attributes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import cache, wraps
from typing import Any, get_type_hints

__all__ = ["takes_flags"]


def takes_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command's parameter that is annotated with a dataclass stand for the fields of the dataclass.

    Typer makes a flag of every parameter of a function. Commands with the same flags declare them as fields
    of one frozen dataclass, annotated as parameters are, and take that::

        @dataclass(frozen=True, eq=False)
        class PhotoFlags:
            limit: options.Limit = None
            quiet: options.Quiet = False


        @takes_flags
        def count(folder: Path, flags: PhotoFlags) -> None:
            say(f"{flags.limit} at most", quiet=flags.quiet)

    For typer this is ``count(folder, limit=None, quiet=False)``, which is also the order of ``--help``. A
    subclass of the dataclass changes the flag of a field that it declares anew, and leaves it in its place.
    Flags are read and not compared: without ``eq`` a class of forty fields is made in half the time, a part
    of the time of every ``--help``.
    """
    hints = get_type_hints(command, include_extras=True)
    shown: list[inspect.Parameter] = []
    kinds: dict[str, Any] = {}
    for name, parameter in inspect.signature(command).parameters.items():
        if is_dataclass(hints[name]):
            kinds[name] = hints[name]
            shown += _parameters(hints[name])
        else:
            shown.append(_parameter(name, hints[name], parameter.default))

    @wraps(command)
    def run(**values: Any) -> None:
        for name, kind in kinds.items():
            values[name] = kind(**{field.name: values.pop(field.name) for field in fields(kind)})
        command(**values)

    # Both, and with evaluated annotations: typer looks at the signature first, then at the annotations.
    run.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in shown}
    return run


@cache
def _parameters(kind: Any) -> tuple[inspect.Parameter, ...]:
    """A parameter for each field of a dataclass."""
    hints = get_type_hints(kind, include_extras=True)
    found = []
    for field in fields(kind):
        default = field.default if field.default_factory is MISSING else field.default_factory()
        empty = inspect.Parameter.empty
        found.append(_parameter(field.name, hints[field.name], empty if default is MISSING else default))
    return tuple(found)


def _parameter(name: str, hint: Any, default: Any) -> inspect.Parameter:
    # By keyword, as typer calls a command: then one without a default may follow one that has it.
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)
