"""How a flag is declared: once, as a field of a dataclass that commands take as a whole.

A declaration says all there is to say about a flag: its type, its help, other names, the panel of the help in
which it stands, and which setting it sets, whose value in the configuration is the flag's default::

    @flags("Segmentation")
    class SegmentationFlags:
        image_size: int = setting("segment.encoding.image_size", "Shorter side at which …")

A command takes one dataclass of flags, which inherits from the groups that the command has.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import cache, wraps
from typing import Annotated, Any, NamedTuple, TypeVar, dataclass_transform, get_type_hints

import typer
from typer.models import OptionInfo

from ovseg.cli.config_merge import nested, value_at
from ovseg.cli.settings import DEFAULTS
from ovseg.overrides import overlay

__all__ = ["Target", "configured", "flag", "flags", "setting", "takes_flags", "targets"]

T = TypeVar("T")

_METAVARS = {"Literal": None, "Path": "FILE", "str": "NAME", "int": "N", "float": "X"}
"""What stands for a flag's value in its help, by the word of its annotation."""


class Target(NamedTuple):
    """Which setting a flag sets.

    Attributes:
        name: The flag's field.
        config: The default configuration to which the setting belongs; compared by identity.
        path: Dotted path of the setting in it.
        read: How the flag's value becomes the setting's; None: it is the value.
    """

    name: str
    config: Any
    path: str
    read: Callable[[Any], Any] | None

    def table(self, value: Any) -> dict[str, Any]:
        """The setting as a nested table, as ``overlay`` takes it."""
        return nested(self.path, value if self.read is None else self.read(value))


def flag(
    help: str, *names: str, default: Any = None, required: bool = False, texts: bool = False, **settings: Any
) -> Any:
    """Declare a flag.

    Args:
        help: One or two sentences.
        names: Short names, and a long one where it differs from the field's name.
        default: Of the flag.
        required: Whether the flag must be given.
        texts: Whether it is a list of texts that may hold spaces, at which typer cuts environment variables.
        settings: Others of ``typer.Option``; ``panel`` in place of the group's.
    """
    if texts:
        settings["callback"] = _uncut
    if "panel" in settings:
        settings["rich_help_panel"] = settings.pop("panel")
    # Typer's first argument is the default, which is the parameter's here.
    default = MISSING if required else default
    return _field(default, {"option": typer.Option(..., *names, help=help, show_envvar=False, **settings)})


def setting(
    path: str,
    help: str,
    *names: str,
    of: Any = DEFAULTS,
    read: Callable[[Any], Any] | None = None,
    default: Any = MISSING,
    **settings: Any,
) -> Any:
    """Declare a flag that sets a value of a configuration, whose default there is the flag's.

    Args:
        path: Dotted path of the value.
        help: One or two sentences.
        names: As of :func:`flag`.
        of: The default configuration.
        read: How the flag's value becomes the setting's, where it is another one.
        default: In place of that of the configuration; None: the setting stays as it is unless given.
        settings: As of :func:`flag`.
    """
    if default is MISSING:
        default = value_at(of, path)
    declared = flag(help, *names, default=default, **settings)
    return _field(default, {**declared.metadata, "target": Target("", of, path, read)})


def _field(default: Any, metadata: dict[str, Any]) -> Any:
    if isinstance(default, (list, tuple)):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass_transform(eq_default=False, frozen_default=True, kw_only_default=True)
def flags(panel: str = "") -> Callable[[type[T]], type[T]]:
    """Make a class of declared flags a frozen dataclass, and put its own flags into a panel of the help.

    Every flag gets its long name, ``--image-size`` of the field ``image_size`` unless another is declared,
    and the variable ``OVSEG_IMAGE_SIZE`` of that name.
    """

    def declare(kind: type[T]) -> type[T]:
        for name, hint in inspect.get_annotations(kind).items():
            option: OptionInfo = vars(kind)[name].metadata["option"]
            option.metavar = option.metavar or next(
                (_METAVARS[word] for word in _METAVARS if word in hint), None
            )
            declared = option.param_decls or ()
            if f"-{name}" not in declared:
                long = next((n for n in declared if n.startswith("--")), f"--{name.replace('_', '-')}")
                option.param_decls = (long, *(n for n in declared if n != long))
                option.envvar = f"OVSEG_{long.partition('/')[0][2:].replace('-', '_').upper()}"
            option.rich_help_panel = option.rich_help_panel or panel
        # Flags are read and not compared or shown: without these a class is made in half the time, which is
        # part of the time of every --help.
        return dataclass(frozen=True, eq=False, repr=False, kw_only=True)(kind)

    return declare


def targets(flags: Any, config: Any = DEFAULTS) -> Iterator[Target]:
    """Which settings of a configuration the flags of a command set."""
    for declared in fields(flags):
        target = declared.metadata.get("target")
        if target is not None and target.config is config:
            yield target._replace(name=declared.name)


def configured(flags: Any, of: T, onto: T | None = None) -> T:
    """A configuration with the values of the flags that set something of it; None sets nothing.

    Args:
        flags: Of a command.
        of: The default configuration of which the flags were declared.
        onto: The one to change, where it is another.

    Raises:
        ConfigError: A value is out of range.
    """
    config = of if onto is None else onto
    for target in targets(flags, of):
        value = getattr(flags, target.name)
        if value is not None:
            config = overlay(config, target.table(value), long_name(flags, target.name))
    return config


def long_name(flags: Any, name: str) -> str:
    """``--image-size`` of the field ``image_size``."""
    option = type(flags).__dataclass_fields__[name].metadata["option"]
    return str(option.param_decls[0]).partition("/")[0]


def takes_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command's parameter that is annotated with a dataclass of flags stand for them.

    Typer makes a flag of every parameter of a function; it is shown one for each field::

        @takes_flags
        def count(folder: Path, flags: CountFlags) -> None:
            say(f"{flags.limit} at most", quiet=flags.quiet)

    A subclass of the dataclass changes the flag of a field that it declares anew, and leaves it in its place.
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
    """A parameter for each flag of a dataclass."""
    hints = get_type_hints(kind)
    found = []
    for declared in fields(kind):
        default = declared.default
        if declared.default_factory is not MISSING:
            default = declared.default_factory()
        hint: Any = Annotated[hints[declared.name], declared.metadata["option"]]
        found.append(
            _parameter(declared.name, hint, inspect.Parameter.empty if default is MISSING else default)
        )
    return tuple(found)


def _parameter(name: str, hint: Any, default: Any) -> inspect.Parameter:
    # By keyword, as typer calls a command: then one without a default may follow one that has it.
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)


def _uncut(ctx: typer.Context, param: typer.CallbackParam, value: list[str]) -> list[str]:
    source = ctx.get_parameter_source(param.name) if param.name else None
    return [" ".join(value)] if value and source is not None and source.name == "ENVIRONMENT" else value
