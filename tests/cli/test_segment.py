"""``ovseg segment``: what it prints where, what it writes, how it ends."""

from __future__ import annotations

import inspect
import io
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from ovseg.cli.config_merge import value_at
from ovseg.cli.flags import targets
from ovseg.cli.segment import SegmentFlags, segment
from ovseg.cli.settings import DEFAULTS

pytestmark = pytest.mark.usefixtures("made")


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "images.jsonl").read_text().splitlines()]


def test_segment_writes_a_run_folder_and_prints_its_report(ovseg: Any, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = ovseg("segment", photos, "-c", "cat, dog", "-o", out)
    assert result.exit_code == 0
    assert result.stdout == f"{out / 'report.html'}\n"
    assert "preset fake" in result.stderr
    assert "3 of 3 images are done" in result.stderr
    assert json.loads((out / "classes.json").read_text()) == {"0": "background", "1": "cat", "2": "dog"}
    for name in ("masks/red.png", "masks/sub/blue.png", "overlays/green.jpg", "report.html", "run.json"):
        assert (out / name).exists()


def test_json_summary_is_all_that_standard_output_carries(ovseg: Any, photos: Path, tmp_path: Path) -> None:
    (photos / "zero.jpg").touch()
    out = tmp_path / "out"
    result = ovseg("segment", photos, "-c", "cat", "-o", out, "-f", "png", "--json")
    assert result.exit_code == 3
    summary = json.loads(result.stdout)
    assert summary["done"] == 3
    assert summary["failed"] == 1
    assert summary["failures"][0]["path"] == str(photos / "zero.jpg")
    assert "failed: cannot read" in result.stderr
    assert "reasons in" in result.stderr


def test_quiet_says_nothing(ovseg: Any, photos: Path, tmp_path: Path) -> None:
    result = ovseg("segment", photos, "-c", "cat", "-o", tmp_path / "out", "-q")
    assert result.stderr == ""


def test_second_call_resumes(ovseg: Any, photos: Path, tmp_path: Path) -> None:
    arguments = ("segment", photos, "-c", "cat", "-o", tmp_path / "out", "-f", "png")
    ovseg(*arguments)
    result = ovseg(*arguments)
    assert "3 of 3 images are done already" in result.stderr
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["-c", ""], 'no classes given: name them with -c "cat, dog", --classes-file or --vocabulary', 2),
        ([], "no classes given", 2),
        (["-c", "cat, , dog"], "empty class name", 2),
        (["-c", "cat, dog, Cat"], "class 'Cat' is given twice", 2),
        (["-c", "sofa=sofa,,couch"], "empty synonym", 2),
        (["-c", "cat", "--vocabulary", "x.toml"], "classes are given twice", 2),
        (["--vocabulary", "nowhere"], "unknown vocabulary 'nowhere'", 2),
        (["--classes-file", "gone.txt"], "cannot read class names from gone.txt", 1),
        (["-c", "cat", "--preset", "best"], "unknown preset 'best': there is fake", 2),
        (["-c", "cat", "-f", "pgn"], "unknown output format 'pgn': did you mean png", 2),
        (["-c", "cat", "-f", "png,png"], "--format: run.formats names one twice: png, png", 2),
        (["-c", "cat", "--shard", "3/2"], "shard must be I/N with I from 1 to N, not 3/2", 2),
        (["-c", "cat", "--shard", "half"], "shard must be I/N with I from 1 to N, not 'half'", 2),
        (["-c", "cat", "--workers", "0"], "--workers: run.workers must be at least 1, not 0", 2),
        (
            ["-c", "cat", "--set", "run.wrokers=1"],
            "--set: unknown key 'run.wrokers': did you mean run.workers?",
            2,
        ),
        (["-c", "cat", "--set", "workers"], "--set takes name=value, not 'workers'", 2),
        (
            ["-c", "cat", "--config", "gone.toml"],
            "cannot read configuration gone.toml: No such file or directory\n",
            1,
        ),
    ],
)
def test_wrong_calls_end_with_one_line(
    ovseg: Any, photos: Path, tmp_path: Path, arguments: list[str], message: str, code: int
) -> None:
    result = ovseg("segment", photos, "-o", tmp_path / "out", *arguments)
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert message in result.stderr
    assert result.exit_code == code
    assert result.stdout == ""
    assert not (tmp_path / "out").exists()


def test_a_format_that_would_be_empty_is_refused(ovseg: Any, photos: Path, tmp_path: Path) -> None:
    result = ovseg("segment", photos, "-c", "cat", "-o", tmp_path / "out", "-f", "png,eigenvectors")
    assert result.exit_code == 2
    assert "error: the format 'eigenvectors' needs the cuts themselves: run ovseg discover" in result.stderr
    assert not (tmp_path / "out" / "masks").exists()


def test_inputs_and_output_are_asked_for(ovseg: Any, photos: Path, tmp_path: Path) -> None:
    result = ovseg("segment", "-c", "cat", "-o", tmp_path / "out")
    assert (result.exit_code, "error: no images given" in result.stderr) == (2, True)
    result = ovseg("segment", photos, "-c", "cat")
    assert (result.exit_code, "error: no output folder given: add -o FOLDER" in result.stderr) == (2, True)
    result = ovseg("segment", photos / "gone", "-c", "cat", "-o", tmp_path / "out")
    assert (result.exit_code, "error: no such file or folder" in result.stderr) == (2, True)


def test_unknown_flag_is_a_usage_error(ovseg: Any, photos: Path) -> None:
    result = ovseg("segment", photos, "--clases", "cat")
    assert result.exit_code == 2
    assert "--classes" in result.stderr


def test_message_stays_one_line_whatever_a_file_is_called(ovseg: Any, tmp_path: Path) -> None:
    (tmp_path / "two\nlines.jpg").touch()
    result = ovseg("segment", tmp_path / "two\nlines.jpg", "-c", "cat", "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "two\\nlines.jpg: the file is empty\n" in result.stderr


def test_list_on_standard_input(ovseg: Any, photos: Path, tmp_path: Path) -> None:
    names = b"\0".join(os.fsencode(photos / name) for name in ("red.png", "sub/blue.png"))
    result = ovseg("segment", "-", "-c", "cat", "-o", tmp_path / "out", "-f", "png", input=names)
    assert result.exit_code == 0
    assert [line["stem"] for line in lines(tmp_path / "out")] == ["blue", "red"]


def test_which_files_count(ovseg: Any, photos: Path, tmp_path: Path) -> None:
    call = ("segment", photos, "-c", "cat", "-o", tmp_path / "out", "--dry-run", "--json")

    def chosen(*flags: str) -> list[str]:
        return [image["stem"] for image in json.loads(ovseg(*call, *flags).stdout)["images"]]

    assert chosen() == ["green", "red", "sub/blue"]
    assert chosen("--no-recursive") == ["green", "red"]
    assert chosen("--include", "*.png") == ["red", "sub/blue"]
    assert chosen("--exclude", "sub", "--exclude", "*.jpg") == ["red"]
    assert chosen("--limit", "2") == ["green", "red"]
    assert chosen("--shard", "2/2") == ["red"]


def test_dry_run_loads_and_writes_nothing(ovseg: Any, photos: Path, tmp_path: Path, made: list[Any]) -> None:
    out = tmp_path / "out"
    result = ovseg("segment", photos, "-c", "cat, dog", "-o", out, "--dry-run")
    assert result.exit_code == 0
    assert f"{photos / 'red.png'} -> {out / 'masks/red.png'}\n" in result.stdout
    assert "3 images, 2 classes (cat, dog)" in result.stderr
    assert not out.exists()
    assert made == []


def test_what_was_understood_is_said_where_there_are_synonyms(
    ovseg: Any, photos: Path, tmp_path: Path
) -> None:
    call = ("segment", photos / "red.png", "-c", "cat, sofa=sofa,couch,settee; dog", "-o", tmp_path / "out")
    told = "3 classes (cat, sofa = couch = settee, dog)"
    assert f"1 image, {told}, formats png" in ovseg(*call, "--dry-run").stderr
    assert f"{told}\n" in ovseg(*call, "-f", "png").stderr
    assert told not in ovseg(*call, "-f", "png", "-q").stderr
    alone = ovseg("segment", photos / "red.png", "-c", "cat", "-o", tmp_path / "two", "--dry-run").stderr
    assert "1 image, 1 class (cat), formats" in alone


def test_output_folder_that_is_the_input_is_said_to_be_it(ovseg: Any, photos: Path) -> None:
    result = ovseg("segment", photos, "-c", "cat", "-o", photos, "--dry-run")
    assert result.exit_code == 2
    assert result.stderr == (
        f"error: no images found: {photos} is to be written and is not searched; give another folder\n"
    )


def test_collisions_are_told_apart(ovseg: Any, photos: Path, tmp_path: Path) -> None:
    (photos / "red.jpg").write_bytes((photos / "green.jpg").read_bytes())
    ovseg("segment", photos, "-c", "cat", "-o", tmp_path / "out", "-f", "png")
    assert (tmp_path / "out/masks/red.jpg.png").exists()
    assert (tmp_path / "out/masks/red.png.png").exists()


def test_settings_reach_the_segmenter(ovseg: Any, photos: Path, tmp_path: Path, made: list[Any]) -> None:
    ovseg("segment", photos, "-c", "a", "-o", tmp_path / "out", "--preset", "fake", "--device", "cpu",
          "--cache-dir", tmp_path / "cache")  # fmt: skip
    assert made[0]["preset"] == "fake"
    assert made[0]["device"] == "cpu"
    assert made[0]["cache_dir"] == str(tmp_path / "cache")


def test_background_is_set_by_flag_and_environment(ovseg: Any, photos: Path, tmp_path: Path) -> None:
    call = ("segment", photos, "-c", "cat", "-o", tmp_path / "out", "--dry-run", "--json")
    assert json.loads(ovseg(*call).stdout)["background"] is True
    assert json.loads(ovseg(*call, "--no-background").stdout)["background"] is False
    assert json.loads(ovseg(*call, env={"OVSEG_BACKGROUND": "0"}).stdout)["background"] is False


def printed(ovseg: Any, *arguments: object, **options: Any) -> dict[str, Any]:
    result = ovseg("segment", "--print-config", *arguments, **options)
    assert result.exit_code == 0, result.stderr
    return tomllib.loads(result.stdout)


def test_flag_wins_over_environment_over_file_over_default(ovseg: Any, tmp_path: Path) -> None:
    file = tmp_path / "ovseg.toml"
    file.write_text('preset = "fake"\n[run]\nworkers = 5\nbatch_size = 5\nlimit = 5\n')
    environment = {"OVSEG_WORKERS": "6", "OVSEG_BATCH_SIZE": "6"}
    settings = printed(ovseg, "--config", file, "--workers", "7", env=environment)
    assert settings["preset"] == "fake"
    assert settings["device"] == DEFAULTS.device
    assert (settings["run"]["workers"], settings["run"]["batch_size"], settings["run"]["limit"]) == (7, 6, 5)
    assert printed(ovseg, "--set", "run.workers=8", env=environment)["run"]["workers"] == 8
    assert printed(ovseg, "--set", "run.workers=8", "--workers", "9")["run"]["workers"] == 9


def test_lists_of_the_environment_keep_their_spaces(ovseg: Any) -> None:
    environment = {"OVSEG_CLASSES": "traffic light, car", "OVSEG_FORMAT": "png,coco", "OVSEG_SHARD": "2/3"}
    settings = printed(ovseg, env=environment)
    assert settings["classes"] == ["traffic light, car"]
    assert settings["run"]["formats"] == ["png", "coco"]
    assert settings["run"]["shard"] == [2, 3]


def test_printed_settings_can_be_given_back(ovseg: Any, tmp_path: Path) -> None:
    flags = ("-c", "a, b", "--format", "png", "-f", "coco,html", "--limit", "3", "--exclude", "x y")
    first = printed(ovseg, *flags)
    file = tmp_path / "printed.toml"
    file.write_text(ovseg("segment", "--print-config", *flags).stdout)
    assert printed(ovseg, "--config", file) == first
    assert first["run"]["formats"] == ["png", "coco", "html"]


def test_unknown_key_of_a_file_is_refused(ovseg: Any, tmp_path: Path) -> None:
    file = tmp_path / "ovseg.toml"
    file.write_text("[segment]\nimagesize = 3\n")
    result = ovseg("segment", "--print-config", "--config", file)
    assert result.exit_code == 2
    assert f"error: {file}: unknown key 'segment.imagesize': did you mean segment.encoding." in result.stderr


def test_an_error_of_a_stage_names_the_full_key(ovseg: Any) -> None:
    for arguments, key in (
        (("--image-size", "9"), "--image-size: segment.encoding.image_size must be between"),
        (
            ("--set", "segment.bank.prototype_weight=-1"),
            "--set: segment.bank.prototype_weight must be a number",
        ),
        (("--refine", "blur"), "--refine: segment.refinement.refine must be one of none, pamr, crf"),
        (("--seed", "-1"), "--seed: segment.region_pooling.seed must be"),
        (
            ("--set", "segment.synonyms=max"),
            "unknown key 'segment.synonyms': did you mean segment.fusion.synonyms?",
        ),
    ):
        result = ovseg("segment", "--print-config", *arguments)
        assert result.exit_code == 2
        assert key in result.stderr


def test_defaults_of_flags_are_those_of_the_settings() -> None:
    parameters = inspect.signature(segment).parameters
    found = list(targets(SegmentFlags))
    assert len(found) == 29
    for target in found:
        default = parameters[target.name].default
        value = default if target.read is None else target.read(default)
        expected = value_at(DEFAULTS, target.path)
        assert (tuple(value) if isinstance(value, list) else value) == expected, target.name


def test_the_help_names_every_format(ovseg: Any) -> None:
    from ovseg.registry import registry_of

    text = " ".join(ovseg("segment", "--help").stdout.split())
    named = text.split("repeated or between commas:", 1)[1].split(".", 1)[0].replace(" ", "").split(",")
    assert len(named) >= 9
    assert named == registry_of("format").names(without=("objects",))


def test_interrupt_ends_with_130_and_says_how_to_go_on(
    ovseg: Any, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["ovseg.pipeline"].Segmenter, "segment_batch", interrupted)
    result = ovseg("segment", photos, "-c", "cat", "-o", tmp_path / "out", "-f", "png")
    assert result.exit_code == 130
    assert "interrupted: what is done is in" in result.stderr
    assert json.loads((tmp_path / "out/run.json").read_text())["status"] == "interrupted"


def test_bugs_keep_their_traceback(
    ovseg: Any, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["ovseg.pipeline"].Segmenter, "segment_batch", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ovseg("segment", photos, "-c", "cat", "-o", tmp_path / "out", "-f", "png")


def test_plain_progress_speaks_now_and_then() -> None:
    from ovseg.cli.progress import Plain

    stream = io.StringIO()
    progress = Plain(stream, every=0)
    progress.start(4, 1)
    progress.advance()
    progress.advance("cannot read x")
    progress.advance()
    progress.close()
    spoken = stream.getvalue().splitlines()
    assert spoken[0] == "1 of 4 images are done already"
    assert spoken[1].startswith("2/4 images, ")
    assert spoken[1].endswith(" s left")
    assert spoken[2] == "failed: cannot read x"
    assert spoken[-1].startswith("4/4 images, ")
    assert spoken[-1].endswith(", 1 failed")
    assert len(spoken) == 5, "the end is told once"


def test_verbose_shows_what_the_library_logs(photos: Path, tmp_path: Path) -> None:
    script = Path(__file__).with_name("fake_ovseg.py")
    command = [sys.executable, str(script), "segment", str(photos), "-c", "red", "-o", str(tmp_path / "out")]
    root = str(Path(__file__).resolve().parents[2])
    environment = os.environ | {"PYTHONPATH": root}
    for flags, shown in (([], False), ([], False), (["-v"], True)):
        result = subprocess.run(
            [*command, *flags], capture_output=True, text=True, check=True, env=environment
        )
        assert ("INFO ovseg.runs.engine: going on with" in result.stderr) is shown
