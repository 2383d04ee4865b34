"""Frozen dataclasses of settings with fields replaced by tables of values, every surprise refused."""

from __future__ import annotations

import dataclasses
import difflib
import json
import tomllib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import (
    Any,
    Literal,
    Protocol,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    runtime_checkable,
)

from ovseg.errors import ConfigError

__all__ = ["INTERNAL", "Overlaid", "overlay", "parse_value", "toml_value"]

T = TypeVar("T")


INTERNAL = "internal"
"""In the metadata of a field: no setting of users, but filled by ovseg."""


@runtime_checkable
class Overlaid(Protocol):
    """A field that lays tables over itself."""

    def overlaid(self, table: Mapping[str, Any], where: str, prefix: str) -> Any:
        """The same with the entries of ``table``; arguments as those of :func:`overlay`."""
        ...


def overlay(config: T, table: Mapping[str, Any], where: str, prefix: str = "") -> T:
    """Replace fields of a frozen dataclass by the entries of ``table``; tables inside go into its inner ones.

    Args:
        config: The dataclass.
        table: Values by field name.
        where: What the error message begins with: the file or flag that the table came from.
        prefix: What stands before the names of the fields in error messages.

    Raises:
        ConfigError: An unknown key, or a value of the wrong type or out of range.
    """
    return cast("T", _overlay(config, table, where, prefix))


def _overlay(config: Any, table: Mapping[str, Any], where: str, prefix: str) -> Any:
    hints = get_type_hints(type(config))
    known = {field.name for field in dataclasses.fields(config) if not field.metadata.get(INTERNAL)}
    changes: dict[str, Any] = {}
    for key, value in table.items():
        name = f"{prefix}{key}"
        if key not in known:
            paths = {path.rpartition(".")[2]: path for path in reversed(_paths(config))}
            near = [key] if key in paths else difflib.get_close_matches(key, paths, n=1)
            hint = (
                f"did you mean {prefix}{paths[near[0]]}?" if near else f"known are {', '.join(sorted(known))}"
            )
            raise ConfigError(f"{where}: unknown key {name!r}: {hint}")
        current = getattr(config, key)
        if isinstance(current, Overlaid) and isinstance(value, Mapping):
            changes[key] = current.overlaid(value, where, f"{name}.")
        elif dataclasses.is_dataclass(current) and isinstance(value, Mapping):
            changes[key] = _overlay(current, value, where, f"{name}.")
        else:
            changes[key] = _checked(value, hints[key], f"{where}: {name}")
    try:
        return dataclasses.replace(config, **changes)
    except ConfigError as error:
        # The message of a setting begins with its name.
        raise ConfigError(f"{where}: {prefix}{error}") from error


def _paths(config: Any) -> list[str]:
    """Return the dotted paths of all fields of a dataclass, its own before those of its inner ones."""
    own = [field.name for field in dataclasses.fields(config) if not field.metadata.get(INTERNAL)]
    values = {name: getattr(config, name) for name in own}
    inner = {name: value for name, value in values.items() if dataclasses.is_dataclass(value)}
    return own + [f"{name}.{path}" for name, value in inner.items() for path in _paths(value)]


def _checked(value: Any, hint: Any, where: str) -> Any:
    """``value`` as the type of a field where it means the same: lists as tuples, whole numbers as floats."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in inner:
            return None
        return _checked(value, next(kind for kind in inner if kind is not type(None)), where)
    if origin is Literal:
        if value not in inner:
            raise ConfigError(f"{where} must be one of {', '.join(map(str, inner))}, not {value!r}")
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{where} must be a list, not {value!r}")
        kinds = [inner[0]] * len(value) if inner[1:] == (...,) else inner
        if len(kinds) != len(value):
            raise ConfigError(f"{where} must be a list of {len(kinds)}, not {value!r}")
        return tuple(_checked(item, kind, where) for item, kind in zip(value, kinds, strict=True))
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    # bool is a subclass of int, and still no number of anything.
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise ConfigError(f"{where} must be of type {getattr(hint, '__name__', hint)}, not {value!r}")
    return value


def parse_value(text: str) -> Any:
    """A value as TOML where it is, as a string otherwise."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def toml_value(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, (str, Path)):
        # A JSON string is a TOML basic string but for DEL, which TOML wants escaped.
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else repr(value)
