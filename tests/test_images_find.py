"""Which images are meant, and what their outputs are called."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovseg.errors import InputError, UsageError
from ovseg.images import find_images
from ovseg.images.stems import unique_stems


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def stems(*inputs: str | Path, **options: object) -> list[str]:
    return [file.stem.as_posix() for file in find_images(inputs, **options)]  # type: ignore[arg-type]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    touch(
        tmp_path, "p/b.jpg", "p/a.PNG", "p/sub/c.webp", "p/sub/deep/d.tiff", "p/notes.txt", "p/.hidden/e.jpg"
    )
    touch(tmp_path, "p/._a.png")
    return tmp_path / "p"


def test_folder_is_searched_to_the_bottom_and_sorted(photos: Path) -> None:
    assert stems(photos) == ["a", "b", "sub/c", "sub/deep/d"]
    assert stems(photos, recursive=False) == ["a", "b"]


def test_include_and_exclude_match_names_and_paths(photos: Path) -> None:
    assert stems(photos, include=["*.jpg", "sub/*"]) == ["b", "sub/c", "sub/deep/d"]
    assert stems(photos, exclude=["sub"]) == ["a", "b"]
    assert stems(photos, exclude=["sub/deep/*", "b.jpg"]) == ["a", "sub/c"]


def test_run_folder_among_the_inputs_is_not_searched(photos: Path) -> None:
    touch(photos, "out/masks/a.png")
    assert stems(photos, skip=photos / "sub" / ".." / "out") == ["a", "b", "sub/c", "sub/deep/d"]


def test_patterns_keep_the_path_below_their_fixed_part(photos: Path) -> None:
    assert stems(str(photos / "*.jpg")) == ["b"]
    assert stems(str(photos / "**" / "*.webp")) == ["sub/c"]
    assert stems(str(photos / "*")) == ["a", "b", "sub/c", "sub/deep/d"]
    assert stems(str(photos / "s?b" / "*")) == ["sub/c", "sub/deep/d"]


def test_existing_file_with_brackets_is_no_pattern(tmp_path: Path) -> None:
    touch(tmp_path, "a[1].jpg", "a1.jpg")
    assert stems(tmp_path / "a[1].jpg") == ["a[1]"]


def test_relative_inputs_are_found_once_however_they_are_written(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos)
    assert stems(".", "b.jpg", "sub/../b.jpg") == ["a", "b", "sub/c", "sub/deep/d"]
    assert stems("*.jpg") == ["b"]
    assert find_images(["sub"])[0].path == Path("sub/c.webp")


@pytest.mark.parametrize("separator", [b"\n", b"\r\n", b"\0"], ids=["lines", "windows lines", "NUL"])
def test_list_on_standard_input(
    photos: Path, monkeypatch: pytest.MonkeyPatch, separator: bytes, tmp_path: Path
) -> None:
    names = [os.fsencode(photos / "b.jpg"), b"gone.jpg", os.fsencode(photos / "sub" / "c.webp")]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(separator.join(names) + separator)))
    assert stems("-") == ["b", "c", "gone"]


def test_list_parted_by_nul_may_hold_names_with_newlines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x/two\nlines.jpg\0x/b\xff.jpg\0")))
    assert stems("-") == ["b\udcff", "two\nlines"]


@pytest.mark.parametrize(
    "name",
    ["with space", "quo'te\"s", "new\nline", "Ünïcödé 猫", "undecodable \udcff", "-dash", "50%"],
)
def test_images_with_odd_names_are_found(tmp_path: Path, name: str) -> None:
    touch(tmp_path, f"p/{name}.jpg")
    assert stems(tmp_path / "p") == [name]


def test_files_that_differ_by_suffix_keep_it(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "a.png", "b.jpg")
    assert stems(tmp_path) == ["a.jpg", "a.png", "b"]


def test_kept_suffix_does_not_meet_another_stem(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "a.png", "a.jpg.png")
    assert stems(tmp_path) == ["a.jpg", "a.jpg.png", "a.png"]


def test_inputs_that_would_meet_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    touch(tmp_path, "one/x.jpg", "one/only.jpg", "two/x.png", "three/y.jpg")
    assert stems(tmp_path / "one", tmp_path / "two", tmp_path / "three") == [
        "one/only",
        "one/x",
        "two/x",
        "y",
    ]
    touch(tmp_path, "1/in/x.jpg", "2/in/x.jpg")
    assert stems(tmp_path / "1/in/x.jpg", tmp_path / "2/in/x.jpg") == ["1/in/x", "2/in/x"]


def test_same_file_twice_counts_once(photos: Path) -> None:
    assert stems(photos, photos / "b.jpg", str(photos / "*.jpg")) == ["a", "b", "sub/c", "sub/deep/d"]


def test_folder_named_like_an_image_is_an_image_unless_it_ends_with_a_slash(tmp_path: Path) -> None:
    touch(tmp_path, "p/x.jpg/inside.png", "p/a.png")
    assert stems(tmp_path / "p") == ["a", "x"]
    assert stems(tmp_path / "p/x.jpg") == ["x"]
    assert stems(str(tmp_path / "p/x.jpg") + "/") == ["inside"]


def test_links_are_followed_and_loops_cut(tmp_path: Path) -> None:
    touch(tmp_path, "p/a.jpg", "elsewhere/b.jpg")
    (tmp_path / "p/link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "p/loop").symlink_to(tmp_path / "p")
    (tmp_path / "p/broken.jpg").symlink_to(tmp_path / "nowhere.jpg")
    assert stems(tmp_path / "p") == ["a", "broken", "link/b"]


def test_missing_input_and_empty_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or folder: "):
        find_images([tmp_path / "gone"])
    with pytest.raises(UsageError, match="no images found in"):
        find_images([tmp_path])
    with pytest.raises(UsageError, match="no images found in nothing"):
        find_images([])
    with pytest.raises(UsageError, match="no images found in"):
        find_images([str(tmp_path / "*.jpg")])


def test_folder_that_cannot_be_listed(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def scandir(path: Path) -> object:
        if Path(path).name == "sub":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(
        InputError, match=r"cannot list folder .*sub: Permission denied \(leave it out with exclude='sub'"
    ):
        find_images([photos])
    assert stems(photos, exclude=["sub"]) == ["a", "b"]


part = st.sampled_from(["a", "b", "a.jpg", "c.png"])
relative = st.builds(
    lambda folders, name, suffix: PurePosixPath(*folders, name + suffix),
    st.lists(part, max_size=2),
    part,
    st.sampled_from(["", ".jpg", ".png"]),
)
folder = st.builds(lambda parts: Path("/", *parts), st.lists(part, max_size=3))


@given(st.lists(st.tuples(folder, relative), max_size=12, unique_by=lambda pair: pair[0] / pair[1]))
def test_stems_are_always_distinct_and_stay_below_the_output_folder(
    files: list[tuple[Path, PurePosixPath]],
) -> None:
    result = unique_stems(files)
    assert len(set(result)) == len(files)
    for stem, (base, path) in zip(result, files, strict=True):
        assert not stem.is_absolute()
        assert ".." not in stem.parts
        whole = PurePosixPath(base / path)
        assert stem.parts[:-1] == whole.parts[len(whole.parts) - len(stem.parts) : -1]
        assert stem.name in (path.name, path.stem)
