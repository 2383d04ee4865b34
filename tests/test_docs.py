"""What the documentation says is so."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from ovseg.cli.app import application
from ovseg.encoders.sources import card_for

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = typer.main.get_command(application())
TOP_LEVEL = sorted(COMMAND.commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_readme_names_every_command(name: str) -> None:
    assert re.search(rf"`ovseg {name}\b", README), f"README.md does not mention ovseg {name}"


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_every_command_has_help(name: str) -> None:
    text = COMMAND.commands[name].help or ""  # type: ignore[attr-defined]
    assert len(text.strip()) > 20


def commands_of(page: str) -> list[list[str]]:
    """The words behind ``ovseg`` of each command in a page's blocks of shell."""
    blocks = re.findall(r"```sh\n(.*?)```", page, flags=re.DOTALL)
    text = "\n".join(blocks).replace("\\\n", " ")
    lines = [part for line in text.splitlines() for part in line.split(" && ")]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.lstrip().startswith("ovseg ")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_flag_in_the_docs_exists(page: Path) -> None:
    for words in commands_of(page.read_text(encoding="utf-8")):
        command, rest = COMMAND, list(words)
        while hasattr(command, "commands"):
            command = command.commands[rest.pop(0)]
        known = {flag for option in command.params for flag in (*option.opts, *option.secondary_opts)}
        for word in rest:
            if word.startswith("-") and word != "-":
                assert word in known, f"{page.name} uses {word} in: ovseg {shlex.join(words)}"


def test_every_model_that_the_docs_name_can_be_asked_for() -> None:
    specs = set()
    for page in PAGES:
        text = " ".join(page.read_text(encoding="utf-8").split())
        specs |= set(re.findall(r"--(?:image-text-encoder|backbone|prototype-backbone) ([\w.:/-]*\w)", text))
    assert "stable-diffusion-1.5" in specs
    for spec in specs:
        assert card_for(spec.replace("local-dir:", f"local-dir:{ROOT}/")).name


@pytest.mark.parametrize("mark", ["setup", "test"])
def test_readme_has_the_commands_that_ci_runs(mark: str) -> None:
    assert re.search(rf"<!-- {mark} -->\n```sh\n[^\n]+\n```", README)


def test_links_in_the_docs_lead_somewhere() -> None:
    for page in PAGES:
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


FLAG = re.compile(r"(?<![\w-])--[a-z][\w-]+")


@pytest.mark.parametrize(
    "module", sorted((ROOT / "ovseg").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_errors_of_the_library_advise_parameters_and_no_flags(module: Path) -> None:
    """Flags belong to the command line; commands that can be copied as a whole may have some."""
    if module.is_relative_to(ROOT / "ovseg" / "cli"):
        return
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Raise) and node.exc is not None:
            strings = [n.value for n in ast.walk(node.exc) if isinstance(n, ast.Constant)]
            line = "".join(text for text in strings if isinstance(text, str))
            if not re.search(r"run  (?:ovseg|pip|hf) ", line):
                assert not FLAG.search(line), f"{module.name}:{node.lineno}: {line}"
