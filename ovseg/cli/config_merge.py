"""Tables of settings laid over frozen dataclasses, with every surprise refused; the same back as TOML."""

from __future__ import annotations

import dataclasses
import difflib
import json
import tomllib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from ovseg.errors import ConfigError, InputError, reason

__all__ = ["nested", "overlay", "parse_assignment", "read_toml", "to_toml", "value_at"]

T = TypeVar("T")


def overlay(config: T, table: Mapping[str, Any], where: str) -> T:
    """Replace fields of a frozen dataclass by the entries of ``table``; tables inside go into its inner ones.

    Args:
        config: The dataclass.
        table: Values by field name.
        where: What the error message begins with: the file or flag that the table came from.

    Raises:
        ConfigError: An unknown key, or a value of the wrong type or out of range.
    """
    return cast("T", _overlay(config, table, where, ""))


def _overlay(config: Any, table: Mapping[str, Any], where: str, prefix: str) -> Any:
    hints = get_type_hints(type(config))
    known = {field.name for field in dataclasses.fields(config)}
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
        if dataclasses.is_dataclass(current) and isinstance(value, Mapping):
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
    own = [field.name for field in dataclasses.fields(config)]
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


def nested(path: str, value: Any) -> dict[str, Any]:
    """``nested("a.b", 1)`` is ``{"a": {"b": 1}}``."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return cast("dict[str, Any]", value)


def value_at(config: Any, path: str) -> Any:
    """The field at a dotted path."""
    for key in path.split("."):
        config = getattr(config, key)
    return config


def parse_assignment(text: str) -> dict[str, Any]:
    """Read ``a.b=value`` as a nested table; the value as TOML where it is, as a string otherwise.

    Raises:
        ConfigError: There is no ``=``, or no name before it.
    """
    path, equals, value = text.partition("=")
    if not equals or not all(key.strip() for key in path.split(".")):
        raise ConfigError(f"--set takes name=value, not {text!r}")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    return nested(".".join(key.strip() for key in path.split(".")), parsed)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a configuration file.

    Raises:
        InputError: It is missing, not UTF-8 or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"cannot read configuration {path}: {reason(error)}") from error


def to_toml(config: Any) -> str:
    """A dataclass as TOML that ``overlay`` reads back; None, which TOML has not, stands in a comment."""
    return "\n".join(_toml_lines(config, "")) + "\n"


def _toml_lines(config: Any, prefix: str) -> list[str]:
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    tables = {name: value for name, value in values.items() if dataclasses.is_dataclass(value)}
    lines = [
        f"# {name} = (not set)" if value is None else f"{name} = {_toml_value(value)}"
        for name, value in values.items()
        if name not in tables
    ]
    for name, table in tables.items():
        lines += ["", f"[{prefix}{name}]", *_toml_lines(table, f"{prefix}{name}.")]
    return lines


def _toml_value(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml_value, value))}]"
    if isinstance(value, (str, Path)):
        # A JSON string is a TOML basic string but for DEL, which TOML wants escaped.
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else repr(value)
