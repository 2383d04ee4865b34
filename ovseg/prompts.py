"""Where the prompt data lies: templates, vocabularies, lexicon (the top-level ``prompts/`` folder)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from ovseg.errors import OvsegError


@cache
def prompts_dir() -> Path:
    """Folder of the shipped prompt data: inside the wheel, or beside the package in a checkout.

    Raises:
        OvsegError: The installation has lost its data.
    """
    package = Path(__file__).resolve().parent
    # A wheel carries prompts/ inside the package; an editable install finds it at the top level.
    for folder in (package / "prompts", package.parent / "prompts"):
        if folder.is_dir():
            return folder
    raise OvsegError(f"prompt data not found beside {package}: reinstall ovseg")


def prompt_path(*parts: str) -> Path:
    """Path of one file of prompt data, for example ``prompt_path("vocabularies", "voc21.toml")``.

    Raises:
        OvsegError: There is no such file.
    """
    path = prompts_dir().joinpath(*parts)
    if not path.is_file():
        raise OvsegError(f"no prompt file {'/'.join(parts)} in {prompts_dir()}")
    return path


def read_lines(*parts: str) -> list[str]:
    """Non-empty lines of a prompt file that are not comments (``#``)."""
    lines = (line.strip() for line in prompt_path(*parts).read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def template_sets() -> list[str]:
    """Names of the shipped sets of prompt templates."""
    return sorted(path.stem for path in (prompts_dir() / "templates").glob("*.txt"))
