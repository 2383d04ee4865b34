"""The example plug-in, installed beside ovseg and used as a user would."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from ovseg import registry
from ovseg.cli.app import application

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "plugin"
RED, GREEN, BLUE, YELLOW = (200, 30, 35), (60, 140, 50), (45, 90, 190), (235, 210, 50)
PRESET = ("--preset", "example-colours")

Invoke = Callable[..., Any]


def install(into: Path, *, name: str, version: str, points: dict[str, str]) -> None:
    """What an installer leaves of a distribution beside its package: where entry points are read."""
    about = into / f"{name.replace('-', '_')}-{version}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [f"{key} = {value}" for key, value in points.items()]
    (about / "entry_points.txt").write_text("\n".join(["[ovseg.plugins]", *lines]))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages with the example plug-in."""
    folder = tmp_path_factory.mktemp("site")
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    shutil.copytree(EXAMPLE / "ovseg_example_plugin", folder / "ovseg_example_plugin")
    points = project["entry-points"]["ovseg.plugins"]
    install(folder, name=project["name"], version=project["version"], points=points)
    return folder


@pytest.fixture(scope="module")
def ovseg(site: Path) -> Iterator[Invoke]:
    """The command line in this process, as it is where the plug-in is installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        for kind in ("encoder", "preset", "format", "dataset", "source"):
            table = registry.registry_of(kind)
            patch.setattr(table, "_entries", dict(table._entries))
            patch.setattr(table, "_offers", dict(table._offers))
        patch.setattr(registry, "_loaded", False)
        patch.setattr(registry, "_plugins", [])

        def invoke(*arguments: object) -> Any:
            return CliRunner().invoke(application(), [str(a) for a in arguments], catch_exceptions=False)

        yield invoke
        for name in [name for name in sys.modules if name.startswith("ovseg_example_plugin")]:
            del sys.modules[name]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two photos of two halves each."""
    (tmp_path / "photos").mkdir()
    for name, left, right in (("a", RED, GREEN), ("b", BLUE, YELLOW)):
        halves(left, right).save(tmp_path / "photos" / f"{name}.png")
    return tmp_path / "photos"


def halves(left: tuple[int, int, int], right: tuple[int, int, int]) -> Image.Image:
    pixels = np.empty((96, 160, 3), np.uint8)
    pixels[:, :80], pixels[:, 80:] = left, right
    return Image.fromarray(pixels)


def flat(text: str) -> str:
    return " ".join(text.split())


def test_every_kind_stands_in_lists_and_help(ovseg: Invoke) -> None:
    for command in ("segment", "convert", "discover"):
        # Long names are cut at hyphens, so that the blanks of two lines may stand in them.
        assert ",class-counts." in "".join(ovseg(command, "--help").stdout.split())
    assert "folder, retrieval, diffusion, auto, swatches." in flat(ovseg("bank", "build", "--help").stdout)
    names = [line.split()[0] for line in ovseg("evaluate", "--help").stdout.splitlines() if line[:2] == "  "]
    assert names[names.index("painted") - 1 :][:3] == ["cityscapes", "painted", "folder"]
    one = flat(ovseg("evaluate", "painted", "--help").stdout)
    assert "palette.csv (lines NAME,RED,GREEN,BLUE)" in one
    assert "dataset.painted.void=[0, 0, 0] RGB of pixels" in one


def test_presets_and_models_stand_in_the_list_of_models(ovseg: Invoke) -> None:
    text = flat(ovseg("models", "list").stdout)
    assert "example-colours present colour words and Lab statistics" in text
    assert text.count("from plug-in ovseg-example-plugin 0.1.0") == 2
    assert "encoder.example.patch=16 Side of a patch in pixels." in text
    table = json.loads(ovseg("models", "list", "--json").stdout)
    assert table["presets"][-1] == {
        "name": "example-colours",
        "summary": "colour words and Lab statistics, for photos sorted by colour",
        "present": True,
        "weights": ["example:words", "example:lab"],
        "origin": "ovseg-example-plugin 0.1.0",
    }
    assert table["encoders"][-1]["name"] == "example"
    rows = json.loads(ovseg("models", "info", "example-colours", "example:lab?patch=8", "--json").stdout)
    assert [row["name"] for row in rows] == ["example:words", "example:lab", "example:lab?patch=8"]
    assert all(row["present"] and row["licence"] == "Apache-2.0" for row in rows)


def test_the_list_of_plug_ins_has_settings_and_doctor_has_a_line(ovseg: Invoke) -> None:
    [plugin] = json.loads(ovseg("plugins", "--json").stdout)
    assert plugin["plugin"] == "ovseg-example-plugin 0.1.0"
    assert plugin["error"] == ""
    assert {(entry["kind"], entry["name"]) for entry in plugin["brings"]} == {
        ("encoder", "example"),
        ("preset", "example-colours"),
        ("format", "class-counts"),
        ("dataset", "painted"),
        ("source", "swatches"),
    }
    assert "source.swatches.side=224  Side of the pictures in pixels." in ovseg("plugins").stdout
    findings = json.loads(ovseg("doctor", "--json").stdout)
    [finding] = [entry for entry in findings if entry["topic"] == "plug-in"]
    assert finding["state"] == "ok"
    assert "brings encoder example, preset example-colours, format class-counts" in finding["text"]


def test_a_preset_and_a_format_segment_with_settings_of_their_own(
    ovseg: Invoke, photos: Path, tmp_path: Path
) -> None:
    classes = ("-c", "red car, green, blue, yellow", "--no-background", "-f", "png,class-counts")
    out = tmp_path / "out"
    chosen = ("--set", "format.class-counts.separator=;", "--set", "encoder.example.patch=8")
    assert ovseg("segment", photos, *classes, *PRESET, *chosen, "-o", out).exit_code == 0
    assert (out / "counts.csv").read_text().splitlines() == [
        "photo;background;red car;green;blue;yellow",
        "a.png;0;7680;7680;0;0",
        "b.png;0;0;0;7680;7680",
    ]
    record = json.loads((out / "run.json").read_text())
    assert record["run"]["options"] == {"class-counts": {"separator": ";", "background": True}}
    named = "example-colours --image-text-encoder example:words?patch=8 --backbone example:lab?patch=8"
    assert record["config"]["segmenter"]["preset"] == named

    other = ovseg("segment", photos, *classes, *PRESET, "--set", "encoder.example.patch=8", "-o", out)
    assert other.exit_code == 1
    assert "another configuration (different: formats)" in other.stderr

    masks = {path.name: path.read_bytes() for path in (out / "masks").iterdir()}
    again = tmp_path / "again"
    assert ovseg("segment", photos, *classes, "--preset", named, "-o", again).exit_code == 0
    assert {path.name: path.read_bytes() for path in (again / "masks").iterdir()} == masks
    assert (again / "counts.csv").read_text() == (out / "counts.csv").read_text().replace(";", ",")

    convert = ("--to", "class-counts", "--set", "format.class-counts.background=false")
    assert ovseg("convert", out, *convert).exit_code == 0
    header = (out / "converted" / "counts.csv").read_text().splitlines()[0]
    assert header == "photo,red car,green,blue,yellow"


def test_settings_of_plug_ins_go_through_a_configuration_file(
    ovseg: Invoke, photos: Path, tmp_path: Path
) -> None:
    printed = ovseg("segment", "--print-config", "--set", "format.class-counts.background=false").stdout
    assert "[format.class-counts]\n# What stands between columns.\nseparator = ','" in printed.replace(
        '"', "'"
    )
    file = tmp_path / "config.toml"
    file.write_text(printed)
    flags = (*PRESET, "-c", "red, green", "-f", "class-counts", "--config", file)
    assert ovseg("segment", photos, *flags, "-o", tmp_path / "out").exit_code == 0
    assert (tmp_path / "out" / "counts.csv").read_text().splitlines()[0] == "photo,red,green"


def test_a_data_set_is_evaluated_with_its_setting(ovseg: Invoke, photos: Path, tmp_path: Path) -> None:
    root = photos.rename(tmp_path / "images").parent
    (root / "painted").mkdir()
    halves((255, 0, 0), (0, 255, 0)).save(root / "painted" / "a.png")
    halves((9, 9, 9), (0, 255, 0)).save(root / "painted" / "b.png")
    (root / "palette.csv").write_text("red,255,0,0\ngreen,0,255,0\n")
    flags = ("--root", root, *PRESET, "-q")
    refused = ovseg("evaluate", "painted", *flags, "-o", tmp_path / "refused")
    assert refused.exit_code == 1
    assert "is not in palette.csv" in refused.stderr
    out = tmp_path / "scores"
    done = ovseg("evaluate", "painted", *flags, "--set", "dataset.painted.void=[9, 9, 9]", "-o", out)
    assert done.exit_code == 0
    results = json.loads((out / "results.json").read_text())
    assert results["dataset"]["settings"] == {"void": [9, 9, 9]}
    assert results["dataset"]["classes"] == ["red", "green"]


def test_a_source_makes_a_bank_that_segments(ovseg: Invoke, photos: Path, tmp_path: Path) -> None:
    bank = tmp_path / "colours.bank"
    own = ("--set", "source.swatches.side=96", "--set", "encoder.example.patch=8")
    flags = ("-c", "red, green", "--source", "swatches", *PRESET, "--shots", 2, *own)
    assert ovseg("bank", "build", *flags, "-o", bank).exit_code == 0
    about = json.loads(ovseg("bank", "info", bank, "--json").stdout)
    assert about["facts"]["source"]["settings"] == {"side": 96, "seed": 0}
    out = tmp_path / "out"
    # The bank says which encoders made it, settings included.
    flags = ("--bank", bank, "--no-background", "-f", "png")
    assert ovseg("segment", photos, *flags, "-o", out).exit_code == 0
    with Image.open(out / "masks" / "a.png") as mask:
        labels = np.asarray(mask)
    assert (labels[:, :70] == 1).mean() > 0.9
    assert (labels[:, 90:] == 2).mean() > 0.9


@pytest.mark.parametrize(
    ("command", "setting", "message"),
    [
        ("segment", "format.class-counts.sep=;", "unknown key 'format.class-counts.sep'"),
        (
            "segment",
            "format.class-counts.background=7",
            "format.class-counts.background must be of type bool",
        ),
        ("segment", "format.class-cuonts.background=true", "did you mean class-counts?"),
        ("segment", "format.png.level=3", "output format 'png' has no settings"),
        ("segment", "format.class-counts=3", "set one of format.class-counts.separator"),
        ("segment", "encoder.example.patch=1", "patch must be between 4 and 64 pixels, not 1"),
        ("segment", "dataset.painted.void=[1, 2]", "dataset.painted.void must be a list of 3"),
        ("bank build", "source.swatches.side=7", "side must be between 32 and 1024 pixels"),
        ("bank build", "source.swatches.sides=70", "did you mean source.swatches.side?"),
    ],
)
def test_a_wrong_setting_is_refused_in_one_line(
    ovseg: Invoke, photos: Path, tmp_path: Path, command: str, setting: str, message: str
) -> None:
    words = (photos, *PRESET) if command == "segment" else ("--source", "swatches", *PRESET)
    result = ovseg(*command.split(), *words, "-c", "red", "-o", tmp_path / "out", "--set", setting)
    assert result.exit_code == 2
    [line] = result.stderr.splitlines()
    assert line.startswith("error: --set: ")
    assert message in line


def test_a_wrong_setting_in_a_spec_is_refused(ovseg: Invoke) -> None:
    result = ovseg("models", "info", "example:lab?path=8")
    assert result.exit_code == 2
    assert (
        result.stderr
        == "error: ?path=8: unknown key 'encoder.example.path': did you mean encoder.example.patch?\n"
    )
    result = ovseg("models", "info", "example:lap")
    assert result.stderr == "error: unknown model 'example:lap': there is example:lab, example:words\n"


def test_the_page_names_all_kinds_and_tags() -> None:
    page = (EXAMPLE.parents[1] / "docs" / "plugins.md").read_text(encoding="utf-8")
    for kind in ("encoder", "preset", "format", "dataset", "source"):
        table = registry.registry_of(kind)
        assert kind == "preset" or f"| `{kind}` |" in page
        for tag in {tag for name in table.names(plugins=False) for tag in table.about(name).tags}:
            assert f"`{tag}`" in page


def test_help_looks_for_plug_ins_only_where_it_lists_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> Any:
        raise AssertionError("plug-ins were looked up")

    monkeypatch.setattr(registry, "_loaded", False)
    monkeypatch.setattr("importlib.metadata.entry_points", refuse)
    for words in (
        ["--help"],
        ["bank", "--help"],
        ["evaluate", "voc21", "--help"],
        ["segment", "--print-config", "-x"],
    ):
        result = CliRunner().invoke(application(), words)
        assert not isinstance(result.exception, AssertionError)
    with pytest.raises(AssertionError, match="looked up"):
        CliRunner().invoke(application(), ["segment", "--help"], catch_exceptions=False)


def test_a_plug_in_that_cannot_be_imported_harms_nothing(tmp_path: Path) -> None:
    install(tmp_path, name="broken-plugin", version="3.1", points={"broken": "broken_plugin:register"})
    (tmp_path / "broken_plugin.py").write_text("import a_module_that_is_not_there\n")
    line = "plug-in broken-plugin 3.1 is left out: ModuleNotFoundError: No module named"

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        paths = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from ovseg.cli import main; main()"
        return subprocess.run(
            [sys.executable, "-c", paths, *words], capture_output=True, text=True, check=False
        )

    assert run("--help").stderr == ""
    help_text = run("segment", "--help")
    assert help_text.returncode == 0
    assert help_text.stderr.startswith(line)
    assert len(help_text.stderr.splitlines()) == 1
    assert "rrle." in help_text.stdout
    listed = run("plugins")
    assert listed.returncode == 0
    assert listed.stdout.startswith("broken-plugin 3.1: left out: ModuleNotFoundError")
    unknown = run("convert", "nowhere", "--to", "countz")
    assert unknown.returncode == 2
    assert [line.split(":")[0] for line in unknown.stderr.splitlines()][1:] == ["error"]


@pytest.mark.slow
def test_the_example_can_be_built_and_installed(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    source = shutil.copytree(EXAMPLE, tmp_path / "source")
    flags = ["--no-deps", "--no-index", "--no-build-isolation", "--target", str(tmp_path / "site")]
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", *flags, str(source)], check=True)
    found = tmp_path / "site" / "ovseg_example_plugin-0.1.0.dist-info" / "entry_points.txt"
    assert "example = ovseg_example_plugin:register" in found.read_text()
    assert (tmp_path / "site" / "ovseg_example_plugin" / "colours.json").is_file()
