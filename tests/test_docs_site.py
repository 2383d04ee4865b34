"""The sources of the documentation's site: its pages, and the references that are generated from the code."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path

import pytest

import ovseg
from ovseg.cli.app import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
SOURCES = runpy.run_path(str(ROOT / "scripts" / "docs_source.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REPOSITORY = PROJECT["urls"]["Repository"]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the sources."""
    folder = tmp_path_factory.mktemp("site") / "docs"
    SOURCES["write_sources"](folder)
    return folder


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    listed = [page for pages in SOURCES["listed_pages"](index).values() for page in pages]
    pages = sorted(path.stem for path in (ROOT / "docs").glob("*.md") if path.stem != "index")
    assert sorted(listed) == pages


def test_the_site_has_a_reference_of_all_commands_and_names(sources: Path) -> None:
    page = (sources / "cli.md").read_text(encoding="utf-8")
    for command in (name for names in COMMANDS.values() for name in names):
        assert f"\n## ovseg {command}\n" in page
    assert "\n### ovseg bank build\n" in page
    assert '```sh\novseg segment photos/ -c "cat, dog, sofa" -o out\n' in page
    assert re.search(r"\| `-o, --output FOLDER` \| Run folder to write\. \|", page)
    # Nothing of the text can be taken for a tag or an emphasis.
    assert not re.search(r"(?<![\\`])<(?!str|int|float|path|bool|list)[a-z]", re.sub(r"`[^`]*`", "", page))
    page = (sources / "api.md").read_text(encoding="utf-8")
    assert ".. autoclass:: ovseg.Segmenter\n   :members:\n" in page
    assert ".. autofunction:: ovseg.build_bank\n" in page
    for name in ovseg.__all__:
        assert name == "__version__" or f"\n## {name}\n" in page


def test_pages_of_the_site_link_to_pages_or_to_the_repository(sources: Path) -> None:
    for path in sources.glob("*.md"):
        text = path.read_text(encoding="utf-8")
        assert "](../" not in text
        for target in re.findall(r"\]\((\w[^):#\s]*)", text):
            if not target.startswith("http"):
                assert (sources / target).exists(), f"{path.name}: {target}"
    assert f"]({REPOSITORY}/blob/HEAD/README.md)" in (sources / "index.md").read_text(encoding="utf-8")
