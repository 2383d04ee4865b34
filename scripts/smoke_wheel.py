"""Build sdist and wheel, install the wheel in a fresh environment, and use it outside the checkout.

By default the fresh environment borrows the dependencies of the Python that runs this script, so that
nothing large is downloaded; ``--with-dependencies`` installs them as a user does, and fetches the offline
weights into an empty cache.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from email import message_from_bytes
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).resolve().parents[1]
MAX_WHEEL_BYTES = 2_000_000
"""Package data is text and tables; models and their pictures are not."""

EXCLUDED = "examples/learned_world/"
"""A distribution of its own (``tool.hatch.build.targets.sdist`` in pyproject.toml)."""

GENERATED = {"PKG-INFO", "ovseg/commit.txt"}
"""What a source distribution has beside the files that git tracks."""

PYTHON = """
import ovseg, sys
assert ovseg.__file__.startswith(sys.prefix), ovseg.__file__
for name in ovseg.__all__:
    assert getattr(ovseg, name) is not None, name
from ovseg.evaluation.provenance import code_commit
assert code_commit() == sys.argv[1], code_commit()
assert ovseg.Segmenter("offline").segment(sys.argv[2], ["cat"]).labels.max() == 1
"""


def main() -> None:
    """Build, check and try."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="keep sdist and wheel in this folder")
    parser.add_argument("--with-dependencies", action="store_true", help="borrow nothing")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ovseg-smoke-") as name:
        folder = Path(name)
        sdist, wheel = build(folder / "dist")
        commit = check_wheel(wheel)
        check_sdist(sdist)
        try_wheel(wheel, folder, commit, borrow=not given.with_dependencies)
        if given.output:
            shutil.copytree(sdist.parent, given.output, dirs_exist_ok=True)
    print(f"{wheel.name} and {sdist.name} of {commit} work")


def build(out: Path) -> tuple[Path, Path]:
    """Build the sdist, the wheel from it, and again the wheel from the checkout, which must be the same."""
    command = [sys.executable, "-m", "build"]
    run([*command, "--outdir", str(out), str(ROOT)], cwd=out.parent)
    run([*command, "--wheel", "--outdir", str(out.parent / "direct"), str(ROOT)], cwd=out.parent)
    (sdist,), (wheel,), (direct,) = out.glob("*.tar.gz"), out.glob("*.whl"), (out.parent / "direct").glob("*")
    assert wheel.name == direct.name, (wheel, direct)
    with ZipFile(wheel) as one, ZipFile(direct) as other:
        contents = [{entry.filename: entry.CRC for entry in archive.infolist()} for archive in (one, other)]
    # RECORD lists the others with their hashes, in the order in which they were packed.
    differing = {
        name for name, _ in contents[0].items() ^ contents[1].items() if not name.endswith("/RECORD")
    }
    assert not differing, f"the sdist builds another wheel than the checkout: {sorted(differing)}"
    return sdist, wheel


def check_wheel(wheel: Path) -> str:
    """Check licences, links and size of a wheel, and return the commit in it."""
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        info = next(name for name in names if name.endswith(".dist-info/METADATA")).partition("/")[0]
        for licence in ("LICENSE", "MODEL_LICENSES.md"):
            assert f"{info}/licenses/{licence}" in names, f"{licence} is not in the wheel"
        strange = {name.partition("/")[0] for name in names} - {"ovseg", info}
        assert not strange, f"the wheel installs more than ovseg: {strange}"
        text = message_from_bytes(archive.read(f"{info}/METADATA")).get_payload()
        commit = archive.read("ovseg/commit.txt").decode().strip()
    assert "](https://" in text, "the README is not in the wheel's metadata"
    relative = [part for part in text.split("](")[1:] if not part.startswith(("https://", "#"))]
    assert not relative, f"the README has relative links: {[part.partition(')')[0] for part in relative]}"
    assert commit.rstrip("+") == git("rev-parse", "HEAD"), commit
    size = wheel.stat().st_size
    assert size <= MAX_WHEEL_BYTES, f"the wheel has {size} bytes, above {MAX_WHEEL_BYTES}"
    return commit


def check_sdist(sdist: Path) -> None:
    """Check that a source distribution has what git tracks, but for the example with weights of its own."""
    with tarfile.open(sdist) as archive:
        found = {name.partition("/")[2] for name in archive.getnames()}
    tracked = set(git("ls-files").splitlines())
    tracked = {name for name in tracked if (ROOT / name).exists() and not name.startswith(EXCLUDED)}
    assert found - GENERATED == tracked, f"sdist and git differ: {sorted((found - GENERATED) ^ tracked)}"


def try_wheel(wheel: Path, folder: Path, commit: str, *, borrow: bool) -> None:
    """Install a wheel in a fresh environment and do the main job with it, in a folder of its own."""
    place, work = folder / "venv", folder / "work"
    work.mkdir()
    run([sys.executable, "-m", "venv", str(place)], cwd=work)
    python, ovseg = place / "bin" / "python", place / "bin" / "ovseg"
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    }
    if borrow:
        site = subprocess.check_output(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
        )
        # A folder in a .pth file comes after the environment's own, and .pth files in it do not count: the
        # editable installation of the checkout, which may be there, is not seen.
        paths = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
        Path(site.strip(), "borrowed.pth").write_text("\n".join(sorted(paths)) + "\n", encoding="utf-8")
    else:
        environment["OVSEG_CACHE_DIR"] = str(folder / "cache")
    run([python, "-m", "pip", "install", "-q", *(["--no-deps"] if borrow else []), wheel], work, environment)
    shutil.copy(photo(), work / "cat.png")
    run([ovseg, "--version"], work, environment)
    run([ovseg, "models", "download", "offline"], work, environment)
    run([ovseg, "doctor", "--check-hashes"], work, environment)
    run([ovseg, "segment", "cat.png", "-c", "cat", "--preset", "offline", "-o", "out"], work, environment)
    assert (work / "out" / "masks" / "cat.png").stat().st_size > 0
    run([python, "-c", PYTHON, commit, "cat.png"], work, environment)


def photo() -> Path:
    """A photo of a cat, which scikit-image ships."""
    import skimage

    return Path(skimage.__file__).parent / "data" / "chelsea.png"


def run(command: list[str | Path], cwd: Path, environment: dict[str, str] | None = None) -> None:
    """Show a command and run it; a failure ends the script."""
    print("+", *(str(word) for word in command if "\n" not in str(word)), flush=True)
    subprocess.run(command, cwd=cwd, env=environment, check=True)


def git(*arguments: str) -> str:
    """Output of a git command in the checkout."""
    return subprocess.check_output(["git", "-C", str(ROOT), *arguments], text=True).strip()


if __name__ == "__main__":
    main()
