"""What the documentation says is so."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from ovseg.cli.app import application

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMAND = typer.main.get_command(application())
TOP_LEVEL = sorted(COMMAND.commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_readme_names_every_command(name: str) -> None:
    assert re.search(rf"`ovseg {name}\b", README), f"README.md does not mention ovseg {name}"


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_every_command_has_help(name: str) -> None:
    text = COMMAND.commands[name].help or ""  # type: ignore[attr-defined]
    assert len(text.strip()) > 20


def test_every_flag_in_the_readme_exists() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.lstrip().startswith("ovseg ")]
    assert lines
    for line in lines:
        words = shlex.split(line, comments=True)[1:]
        command = COMMAND
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        known = {flag for option in command.params for flag in (*option.opts, *option.secondary_opts)}
        for word in words:
            if word.startswith("-") and word != "-":
                assert word in known, f"README.md uses {word} in: {line}"


@pytest.mark.parametrize("mark", ["setup", "test"])
def test_readme_has_the_commands_that_ci_runs(mark: str) -> None:
    assert re.search(rf"<!-- {mark} -->\n```sh\n[^\n]+\n```", README)


def test_links_in_the_docs_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


def test_modules_stay_small() -> None:
    long = [
        p for p in (ROOT / "ovseg").rglob("*.py") if len(p.read_text(encoding="utf-8").splitlines()) > 400
    ]
    assert not long


def test_importing_ovseg_and_asking_for_help_never_imports_torch() -> None:
    code = (
        "import sys, ovseg, ovseg.cli\n"
        "from ovseg.cli.app import application; application()\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'timm', 'open_clip')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_quick_start_runs_as_far_as_its_imports() -> None:
    source = (ROOT / "examples" / "quickstart.py").read_text(encoding="utf-8")
    names: dict[str, object] = {"__name__": "not_main"}
    exec(compile(source, "quickstart.py", "exec"), names)
    assert callable(names["main"])
