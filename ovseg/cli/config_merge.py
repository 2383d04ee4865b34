"""Settings as they are typed: ``--set``, configuration files, and the same back as TOML."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path
from typing import Any, cast

from ovseg.errors import ConfigError, InputError, reason
from ovseg.overrides import INTERNAL, parse_value, toml_value
from ovseg.plugin_settings import PluginSettings

__all__ = ["nested", "parse_assignment", "read_toml", "to_toml", "value_at"]


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
    return nested(".".join(key.strip() for key in path.split(".")), parse_value(value))


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
    fields = [field for field in dataclasses.fields(config) if not field.metadata.get(INTERNAL)]
    values = {field.name: getattr(config, field.name) for field in fields}
    tables = {name: value for name, value in values.items() if dataclasses.is_dataclass(value)}
    lines = []
    for field in fields:
        name, value = field.name, values[field.name]
        if name not in tables:
            lines += [f"# {field.metadata['help']}"] if "help" in field.metadata else []
            lines.append(f"# {name} = (not set)" if value is None else f"{name} = {toml_value(value)}")
    for name, table in tables.items():
        if isinstance(table, PluginSettings):
            for entry, settings in table.all().items():
                inner = f"{prefix}{name}.{entry}"
                lines += ["", f"[{inner}]", *_toml_lines(settings, f"{inner}.")]
        else:
            lines += ["", f"[{prefix}{name}]", *_toml_lines(table, f"{prefix}{name}.")]
    return lines
