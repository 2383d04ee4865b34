"""The run engine with a segmenter whose answers are known: folder, failures, resume, sharing out."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from fakes import ColourSegmenter
from PIL import Image

from ovseg.errors import ConfigError, OutputError, UnknownName
from ovseg.files import write_text
from ovseg.images import ImageLimits, find_images
from ovseg.outputs import FORMATS, OutputItem, RunContext
from ovseg.runs import RunConfig, RunSummary, run_segmentation
from ovseg.vocabulary import ClassSpec, Vocabulary

VOCABULARY = Vocabulary((ClassSpec("red thing"), ClassSpec("green thing")))
COLOURS = {"red": (200, 100, 100), "green": (0, 255, 0), "blue": (0, 0, 255), "grey": (9, 9, 9)}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for i, (name, colour) in enumerate(COLOURS.items()):
        path = folder / ("sub" if i % 2 else "") / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.new("RGB", (4, 2), colour)
        image.putpixel((0, 0), (0, 255, 0))
        image.save(path)
    return folder


def run(photos: Path, out: Path, segmenter: ColourSegmenter | None = None, **options: Any) -> RunSummary:
    config = RunConfig(**{"formats": ("png",), **options})
    return run_segmentation(
        find_images([photos], skip=out), VOCABULARY, segmenter or ColourSegmenter(), out, config
    )


def lines(out: Path, name: str = "images.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / name).read_text().splitlines()]


def contents(out: Path) -> dict[str, Any]:
    """Every file of a run folder, times apart."""
    found: dict[str, Any] = {}
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        name = path.relative_to(out).as_posix()
        if name == "images.jsonl":
            found[name] = [{k: v for k, v in line.items() if k != "seconds"} for line in lines(out)]
        elif name == "run.json":
            found[name] = {k: v for k, v in json.loads(path.read_text()).items() if k != "timings"}
        elif path.suffix != ".html":
            found[name] = path.read_bytes()
    return found


def test_a_run_leaves_classes_lines_and_files_in_its_folder(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    summary = run(photos, out, formats=("png", "overlay"))
    assert (summary.images, summary.done, summary.skipped, summary.failures) == (4, 4, 0, ())
    assert summary.exit_code == 0
    assert json.loads((out / "classes.json").read_text()) == {
        "0": "background",
        "1": "red thing",
        "2": "green thing",
    }
    red = lines(out)[1]
    assert [line["stem"] for line in lines(out)] == ["blue", "red", "sub/green", "sub/grey"]
    assert red["status"] == "ok"
    assert red["size"] == [2, 4]
    assert red["path"] == str(photos / "red.png")
    assert red["files"] == {"png": ["masks/red.png"], "overlay": ["overlays/red.jpg"]}
    assert red["classes"] == {
        "red thing": {"share": 0.875, "confidence": 0.5},
        "green thing": {"share": 0.125, "confidence": 1.0},
    }
    assert red["abstained"] == 0
    assert red["seconds"] > 0
    with Image.open(out / "masks/sub/grey.png") as mask:
        np.testing.assert_array_equal(np.array(mask), [[2, 0, 0, 0], [0, 0, 0, 0]])

    manifest = json.loads((out / "run.json").read_text())
    assert manifest["status"] == "finished"
    assert manifest["note"].startswith("preset fake")
    assert manifest["counts"] == {"images": 4, "ok": 4, "failed": 0}
    assert manifest["config"]["segmenter"]["weights"][0]["licence"] == "Apache-2.0"
    assert manifest["config"]["vocabulary"]["classes"][0]["name"] == "red thing"
    assert {"ovseg", "python", "torch", "numpy", "pillow"} <= manifest["versions"].keys()
    timings = manifest["timings"]
    assert timings["images"] == 4
    assert timings["seconds"] >= timings["encoder_seconds"] >= 0
    assert timings["seconds_per_image"] == pytest.approx(timings["seconds"] / 4, abs=1e-3)
    assert not [path for path in out.rglob("*") if "tmp" in path.name]


def test_failures_are_collected_and_the_rest_goes_on(photos: Path, tmp_path: Path) -> None:
    (photos / "zero.jpg").touch()
    (photos / "folder.jpg").mkdir()
    (photos / "text.png").write_text("no image")
    out = tmp_path / "out"
    summary = run(photos, out)
    assert (summary.images, summary.done, len(summary.failures), summary.exit_code) == (7, 4, 3, 3)
    manifest = json.loads((out / "run.json").read_text())
    assert manifest["counts"] == {"images": 7, "ok": 4, "failed": 3}
    assert [Path(f["path"]).name for f in manifest["failures"]] == ["folder.jpg", "text.png", "zero.jpg"]
    assert "it is a folder" in manifest["failures"][0]["reason"]
    failed = [line for line in lines(out) if line["status"] == "failed"]
    assert failed[2]["error"] == f"cannot read {photos / 'zero.jpg'}: the file is empty"

    # A file that was mended is taken up by the next call; the others are tried again.
    Image.new("RGB", (2, 2), "red").save(photos / "zero.jpg")
    again = run(photos, out)
    assert (again.done, again.skipped, len(again.failures), again.exit_code) == (5, 4, 2, 3)


def test_exit_code_1_when_every_image_failed(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.jpg").touch()
    assert run(photos, tmp_path / "out").exit_code == 1


def test_fail_fast_stops_at_the_first_failure(photos: Path, tmp_path: Path) -> None:
    (photos / "a.jpg").touch()
    (photos / "b.jpg").touch()
    summary = run(photos, tmp_path / "out", fail_fast=True)
    assert len(summary.failures) == 1
    assert summary.done < 4


def test_finished_images_are_skipped(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(photos, out)
    before = contents(out)
    timings = json.loads((out / "run.json").read_text())["timings"]
    segmenter = ColourSegmenter()
    summary = run(photos, out, segmenter)
    assert (summary.done, summary.skipped, segmenter.batches) == (4, 4, [])
    assert contents(out) == before
    assert json.loads((out / "run.json").read_text())["timings"] == timings


def test_image_is_done_again_when_anything_of_it_changed(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(photos, out)
    (out / "masks/blue.png").unlink()  # output lost
    Image.new("RGB", (4, 2), "green").save(photos / "red.png")  # other content
    os.utime(photos / "sub/grey.png", (1, 1))  # other date, same content
    segmenter = ColourSegmenter()
    summary = run(photos, out, segmenter)
    assert (summary.skipped, sum(segmenter.batches)) == (2, 2)
    assert (out / "masks/blue.png").exists()
    assert list(lines(out)[1]["classes"]) == ["green thing"]


def test_another_format_is_added_to_a_finished_run(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(photos, out, ColourSegmenter(keep_scores=False))
    assert run(photos, out, ColourSegmenter(keep_scores=True), formats=("png", "scores")).skipped == 0
    assert run(photos, out, formats=("png", "overlay")).skipped == 0
    assert run(photos, out, formats=("overlay",)).skipped == 4


def test_folder_of_another_configuration_is_refused(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(photos, out, ColourSegmenter(refine="pamr", image_size=518))
    before = contents(out)
    with pytest.raises(OutputError) as caught:
        run(photos, out, ColourSegmenter(refine="none", image_size=518))
    assert "another configuration (different: segmenter.config.refine)" in str(caught.value)
    assert "overwrite=True" in str(caught.value)
    with pytest.raises(OutputError, match=r"different: images\.working_pixels"):
        run(photos, out, ColourSegmenter(refine="pamr", image_size=518), images=ImageLimits(100))
    assert contents(out) == before


def test_overwrite_clears_only_what_ovseg_wrote(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(photos, out, formats=("png", "overlay"))
    write_text(out / "masks/sub/mine.txt", "keep me")
    (photos / "red.png").unlink()
    summary = run(photos, out, ColourSegmenter(other=True), overwrite=True)
    assert (summary.done, summary.skipped) == (3, 0)
    assert not (out / "masks/red.png").exists()
    assert not (out / "overlays").exists()
    assert (out / "masks/sub/mine.txt").read_text() == "keep me"
    assert len(lines(out)) == 3


def test_overwrite_does_not_trust_paths_in_the_folder(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(photos, out)
    manifest = json.loads((out / "run.json").read_text())
    manifest["files"] += ["../photos/red.png", str(photos / "blue.png")]
    (out / "run.json").write_text(json.dumps(manifest))
    assert run(photos, out, overwrite=True).done == 4


def test_folder_with_other_files_is_refused(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_text(out / "classes.json", "mine")
    with pytest.raises(OutputError, match="holds other files and no run of ovseg"):
        run(photos, out)
    assert (out / "classes.json").read_text() == "mine"
    write_text(out / "notes.txt", "mine too")
    run(photos, out, overwrite=True)
    assert (out / "notes.txt").read_text() == "mine too"


def test_damaged_manifest_is_refused(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_text(out / "run.json", "{half")
    with pytest.raises(OutputError, match=r"run\.json is damaged"):
        run(photos, out)


def test_output_folder_that_cannot_be_used(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match=r"cannot use .*file as output folder"):
        run(photos, tmp_path / "file")
    with pytest.raises(OutputError, match=r"cannot use .*file/out as output folder: Not a directory"):
        run(photos, tmp_path / "file" / "out")


def test_output_folder_without_the_right_to_write(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OutputError, match=r"cannot use .*out as output folder: Permission denied"):
        run(photos, tmp_path / "out")


def test_unknown_format_is_refused_before_anything_is_written(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="unknown output format 'pgn': did you mean png"):
        run(photos, tmp_path / "out", formats=("pgn",))
    assert not (tmp_path / "out").exists()


def test_shards_share_a_folder_and_are_joined(photos: Path, tmp_path: Path) -> None:
    whole, shared = tmp_path / "whole", tmp_path / "shared"
    run(photos, whole)
    for number in (1, 2, 3):
        summary = run(photos, shared, shard=(number, 3))
        assert summary.images == (2 if number == 1 else 1)
        assert len(lines(shared, f"images-{number}-of-3.jsonl")) == summary.images
    assert not (shared / "run.json").exists()
    segmenter = ColourSegmenter()
    summary = run(photos, shared, segmenter)
    assert (summary.done, summary.skipped, segmenter.batches) == (4, 4, [])
    assert contents(shared)["images.jsonl"] == contents(whole)["images.jsonl"]
    assert not list(shared.glob("images-*.jsonl"))
    with pytest.raises(ConfigError, match="overwrite= and shard= exclude each other"):
        run(photos, shared, shard=(1, 3), overwrite=True)


def test_limit_and_its_extension(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(photos, out, limit=2).images == 2
    assert [line["stem"] for line in lines(out)] == ["blue", "red"]
    assert run(photos, out).skipped == 2
    assert len(lines(out)) == 4


def test_batches_are_cut_alike_in_a_resumed_run(photos: Path, tmp_path: Path) -> None:
    segmenter = ColourSegmenter()
    run(photos, tmp_path / "out", segmenter, batch_size=3)
    assert segmenter.batches == [3, 1]
    # The whole batch goes through again when one of its images is missing, so that results stay the same.
    (tmp_path / "out/masks/red.png").unlink()
    segmenter = ColourSegmenter()
    assert run(photos, tmp_path / "out", segmenter, batch_size=3).skipped == 3
    assert segmenter.batches == [3]


def test_images_of_other_inputs_stay_in_the_journal(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(photos, out)
    run(photos / "sub", out)
    assert [line["stem"] for line in lines(out)] == ["blue", "green", "grey", "red", "sub/green", "sub/grey"]


@pytest.mark.parametrize("name", ["with space", "quo'te\"s", "new\nline", "Ünïcödé 猫", "undecodable \udcff"])
def test_odd_names_survive(tmp_path: Path, name: str) -> None:
    path = tmp_path / "photos" / f"{name}.png"
    path.parent.mkdir()
    Image.new("RGB", (3, 3), "red").save(path)
    (path.parent / f"{name}.broken.jpg").touch()
    out = tmp_path / "out"
    summary = run(path.parent, out)
    assert (summary.done, len(summary.failures)) == (1, 1)
    done = next(line for line in lines(out) if line["status"] == "ok")
    assert done["stem"] == name
    assert (out / done["files"]["png"][0]).exists()
    assert json.loads((out / "run.json").read_bytes())["failures"][0]["path"].endswith(f"{name}.broken.jpg")
    assert run(path.parent, out).skipped == 1


def test_many_classes_make_16_bit_masks(photos: Path, tmp_path: Path) -> None:
    vocabulary = Vocabulary(tuple(ClassSpec(f"class {i}") for i in range(500)))
    out = tmp_path / "out"
    run_segmentation(find_images([photos]), vocabulary, ColourSegmenter(), out, RunConfig(formats=("png",)))
    assert len(json.loads((out / "classes.json").read_text())) == 501
    with Image.open(out / "masks/red.png") as mask:
        assert mask.mode.startswith("I;16")


def test_working_size_is_bounded_and_masks_have_the_files_size(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (400, 200), "red").save(tmp_path / "photos/a.png")
    out = tmp_path / "out"
    seen: list[tuple[int, ...]] = []

    class Watching(ColourSegmenter):
        def segment_batch(self, images: Any, vocabulary: Vocabulary) -> Any:
            seen.extend(image.shape for image in images)
            return super().segment_batch(images, vocabulary)

    run(tmp_path / "photos", out, Watching(), images=ImageLimits(working_pixels=5000))
    assert seen == [(50, 100, 3)]
    with Image.open(out / "masks/a.png") as mask:
        assert mask.size == (400, 200)
    assert lines(out)[0]["size"] == [200, 400]


def test_torn_line_counts_as_not_done(photos: Path, tmp_path: Path) -> None:
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    run(photos, whole)
    run(photos, torn)
    data = (torn / "images.jsonl").read_bytes()
    (torn / "images.jsonl").write_bytes(data[: -len(data) // 8])
    assert run(photos, torn).skipped == 3
    assert contents(torn) == contents(whole)


def test_leftovers_of_a_killed_run_are_swept(photos: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run(photos, whole)
    run(photos, killed, limit=2)
    (killed / "masks/.ovseg-tmp-abc.png").touch()
    run(photos, killed)
    assert sorted(contents(killed)) == sorted(contents(whole))


def test_interrupt_keeps_what_is_done(photos: Path, tmp_path: Path) -> None:
    class Interrupted(ColourSegmenter):
        def segment_batch(self, images: Any, vocabulary: Vocabulary) -> Any:
            if len(self.batches) == 2:
                raise KeyboardInterrupt
            return super().segment_batch(images, vocabulary)

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run(photos, out, Interrupted())
    manifest = json.loads((out / "run.json").read_text())
    assert manifest["status"] == "interrupted"
    assert manifest["counts"]["ok"] == 2
    assert run(photos, out).skipped == 2
    run(photos, tmp_path / "whole")
    assert contents(out) == contents(tmp_path / "whole")


@FORMATS.register("test-joined")
class JoinedWriter:
    """A format of one file: the names of all images in their order; fails where ``full`` is in the name."""

    def __init__(self, context: RunContext) -> None:
        self._out = context.out

    def write(self, item: OutputItem) -> None:
        if "full" in item.stem.name:
            raise OSError(28, "No space left on device")
        write_text(self._out / ".parts/joined" / f"{item.stem.as_posix()}.txt", f"{item.index} {item.stem}\n")

    def finish(self, stems: list[PurePosixPath], run: dict[str, Any]) -> Path:
        parts = self._out / ".parts/joined"
        write_text(
            self._out / "joined.txt",
            "".join((parts / f"{stem.as_posix()}.txt").read_text() for stem in stems),
        )
        return self._out / "joined.txt"


def test_formats_of_one_file_are_joined_in_order(photos: Path, tmp_path: Path) -> None:
    (photos / "bad.png").touch()
    out = tmp_path / "out"
    summary = run(photos, out, formats=("test-joined",))
    assert (out / "joined.txt").read_text() == "1 blue\n2 red\n3 sub/green\n4 sub/grey\n"
    assert summary.outputs == {"test-joined": out / "joined.txt"}
    manifest = json.loads((out / "run.json").read_text())
    assert manifest["outputs"] == {"test-joined": "joined.txt"}
    assert manifest["files"] == ["classes.json", "joined.txt"]
    run(photos, out, overwrite=True)
    assert not (out / "joined.txt").exists()
    assert not (out / ".parts").exists()


def test_full_disk_ends_the_run_with_one_line_and_it_can_be_resumed(photos: Path, tmp_path: Path) -> None:
    shutil.copy(photos / "red.png", photos / "full.png")
    out = tmp_path / "out"
    with pytest.raises(
        OutputError, match=r"cannot write the test-joined output of .*full\.png: No space left"
    ):
        run(photos, out, formats=("png", "test-joined"), workers=1)
    assert json.loads((out / "run.json").read_text())["status"] == "failed"
    (photos / "full.png").rename(photos / "free.png")
    summary = run(photos, out, formats=("png", "test-joined"))
    assert summary.done == 5
    assert summary.skipped >= 1


def test_progress_hears_of_every_image(photos: Path, tmp_path: Path) -> None:
    class Recorder:
        def __init__(self) -> None:
            self.events: list[Any] = []

        def start(self, total: int, done: int) -> None:
            self.events.append((total, done))

        def advance(self, failure: str | None = None) -> None:
            self.events.append(failure)

    (photos / "bad.png").touch()
    run(photos, tmp_path / "out", limit=3)
    progress = Recorder()
    run_segmentation(
        find_images([photos]),
        VOCABULARY,
        ColourSegmenter(),
        tmp_path / "out",
        RunConfig(formats=("png",)),
        progress,
    )
    bad = f"cannot read {photos / 'bad.png'}: the file is empty"
    assert progress.events == [(5, 2), bad, None, None]
