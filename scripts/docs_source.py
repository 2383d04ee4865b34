"""Write the sources of the documentation's site: the pages of ``docs/``, and references made from the code.

``docs/`` itself stays plain Markdown that reads well where it lies. Usage: ``scripts/docs_source.py FOLDER``.
"""

from __future__ import annotations

import inspect
import re
import shutil
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

import ovseg
from ovseg.cli.app import application

ROOT = Path(__file__).resolve().parents[1]
REFERENCES = {"Reference": ["cli", "api"]}


def write_sources(out: Path) -> None:
    """Copy the pages into ``out``, with links that work on the site, and add what is generated."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    out.mkdir(parents=True)
    for path in sorted((ROOT / "docs").iterdir()):
        if path.suffix != ".md":
            shutil.copy(path, out)
            continue
        text = path.read_text(encoding="utf-8")
        if path.name == "index.md":
            text += toctrees(listed_pages(text) | REFERENCES)
        (out / path.name).write_text(outward_links(text, project["urls"]["Repository"]), encoding="utf-8")
    (out / "cli.md").write_text(cli_page(), encoding="utf-8")
    (out / "api.md").write_text(python_page(), encoding="utf-8")


def outward_links(text: str, repository: str) -> str:
    """Turn links out of ``docs/`` into links to the repository."""
    return re.sub(r"\]\(\.\./([^)\s]+)\)", rf"]({repository}/blob/HEAD/\1)", text)


def listed_pages(index: str) -> dict[str, list[str]]:
    """Pages that ``index.md`` links to, by the heading above them."""
    sections = re.split(r"^## (.+)$", index, flags=re.MULTILINE)[1:]
    found = {
        title: re.findall(r"\]\((\w+)\.md\)", text)
        for title, text in zip(sections[::2], sections[1::2], strict=True)
    }
    return {title: pages for title, pages in found.items() if pages}


def toctrees(sections: dict[str, list[str]]) -> str:
    """The site's navigation, as hidden tables of contents."""
    return "".join(
        f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n" + "\n".join(pages) + "\n```\n"
        for title, pages in sections.items()
    )


def python_page() -> str:
    """The reference of ``ovseg.__all__``, as autodoc reads it from the docstrings."""
    entries = []
    for name in ovseg.__all__:
        value = getattr(ovseg, name)
        if inspect.isclass(value):
            directive, options = "autoclass", "\n   :members:"
        elif callable(value):
            directive, options = "autofunction", ""
        else:
            continue
        entries.append(f"## {name}\n\n```{{eval-rst}}\n.. {directive}:: ovseg.{name}{options}\n```\n")
    intro = "Everything that `import ovseg` gives. Nothing is imported before it is used.\n"
    return "\n".join(["# Python reference\n", intro, *entries])


def cli_page() -> str:
    """The reference of all commands, from the application itself."""
    root: Any = typer.main.get_command(application())
    context = root.make_context("ovseg", ["--help"], resilient_parsing=True)
    parts = ["# Command line reference\n"]
    for command, inner in commands(root, context):
        depth = len(inner.command_path.split())
        parts.append(f"{'#' * min(depth, 4)} {inner.command_path}\n" if depth > 1 else "")
        parts.append(prose(command.help or ""))
        if not hasattr(command, "commands"):
            parts.append(f"```text\n{' '.join(command.get_usage(inner).split())}\n```\n")
        parts.append(flags(command, inner))
    parts.append(
        "Each flag can be given by an environment variable too: `--batch-size 2` is `OVSEG_BATCH_SIZE=2`.\n"
    )
    return "\n".join(part for part in parts if part)


def commands(command: Any, context: Any) -> Iterator[tuple[Any, Any]]:
    """A command with its context, and then those below it, in their order."""
    yield command, context
    for name, child in getattr(command, "commands", {}).items():
        if not child.hidden:
            inner = child.context_class(child, info_name=name, parent=context)
            yield from commands(child, inner)


def flags(command: Any, context: Any) -> str:
    """Tables of a command's arguments and flags, one for each panel of its help."""
    parts = []
    for panel, rows in command.panels(context).items():
        table = [
            f"| `{declared.replace('|', '/')}` | {escaped(said)} |"
            for declared, said in rows
            if "--help" not in declared
        ]
        if table:
            parts.append(f"**{panel}**\n\n| flag | what |\n| --- | --- |\n" + "\n".join(table) + "\n")
    return "\n".join(parts)


def prose(text: str) -> str:
    """A help text as Markdown: indented lines are examples of commands."""
    blocks: list[tuple[bool, str]] = []
    for block in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        example = block.startswith("  ")
        if example and blocks and blocks[-1][0]:
            blocks[-1] = (True, blocks[-1][1] + "\n" + inspect.cleandoc(block))
        elif block:
            blocks.append((example, inspect.cleandoc(block) if example else escaped(block)))
    return "\n".join(f"```sh\n{block}\n```\n" if example else f"{block}\n" for example, block in blocks)


def escaped(text: str) -> str:
    """Plain text as Markdown that shows it unchanged."""
    return re.sub(r"([\\`*_\[\]<>|$#])", r"\\\1", " ".join(text.split()))


if __name__ == "__main__":
    write_sources(Path(sys.argv[1]))
