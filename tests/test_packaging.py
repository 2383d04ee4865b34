"""What is published beside the code: metadata, README, citation. The wheel has `scripts/smoke_wheel.py`."""

from __future__ import annotations

import re
import runpy
import tomllib
from datetime import date
from pathlib import Path

import yaml

import ovseg

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REPOSITORY = PROJECT["urls"]["Repository"]


HOOKS = runpy.run_path(str(ROOT / "hatch_build.py"))


def test_links_and_pictures_of_the_published_readme_are_absolute() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    metadata = {"urls": PROJECT["urls"]}
    HOOKS["CustomMetadataHook"](str(ROOT), {}).update(metadata)
    published = metadata["readme"]["text"]
    targets = re.findall(r"\]\(([^)\s]+)\)", published)
    assert len(targets) == len(re.findall(r"\]\(([^)\s]+)\)", readme)) > 10
    assert all(target.startswith(("https://", "#")) for target in targets)
    assert f"]({REPOSITORY}/blob/HEAD/docs/formats.md)" in published
    pictures = re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", published)
    assert pictures
    assert all(picture.startswith(f"{REPOSITORY}/raw/HEAD/docs/") for picture in pictures)


def test_only_relative_links_are_changed() -> None:
    links = HOOKS["absolute_links"]
    text = "[a](https://b.c/d) [e](#f) [g](mailto:h@i) `k](l)`"
    assert links(text, "https://r") == text
    assert links("[![m](n.png)](o.md)", "https://r").startswith("[![m](https://r/raw/HEAD/n.png)]")


def test_the_metadata_is_whole() -> None:
    assert PROJECT["authors"] == [{"name": "ovseg contributors"}]
    assert {"Repository", "Documentation", "Changelog", "Issues"} <= set(PROJECT["urls"])
    assert all(url.startswith(REPOSITORY) for url in PROJECT["urls"].values())
    for licence in PROJECT["license-files"]:
        assert (ROOT / licence).stat().st_size > 1000
    assert set(PROJECT["optional-dependencies"]) == {"cpu", "gpu", "diffusion", "crf", "docs", "dev"}


def test_the_citation_is_valid_and_of_this_version() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["cff-version"] == "1.2.0"
    assert cited["type"] == "software"
    assert cited["message"]
    assert cited["authors"] == PROJECT["authors"]
    assert cited["version"] == ovseg.__version__
    assert cited["license"] == PROJECT["license"]
    assert cited["repository-code"] == REPOSITORY
    assert isinstance(cited.get("date-released", date.today()), date)
    titles = " ".join(entry["title"] for entry in cited["references"])
    for paper in ("ReCo", "Diffusion Models", "Multi-Modal Prototypes", "Normalized Cut"):
        assert paper in titles
    for entry in cited["references"]:
        assert entry["type"] in ("article", "conference-paper")
        assert 2020 <= entry["year"] <= 2030
        assert re.fullmatch(r"https://arxiv\.org/abs/\d{4}\.\d{5}", entry["url"])
        assert all(author["family-names"] and author["given-names"] for author in entry["authors"])
