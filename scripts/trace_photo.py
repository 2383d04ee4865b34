"""Count the functions of ovseg that one photo and one name pass through in ``ovseg segment --bank``.

    python scripts/trace_photo.py PHOTO BANK -c cat            # two numbers
    python scripts/trace_photo.py PHOTO BANK -c cat --list     # and every function, by file

Functions and methods count once each, however often they are called, in all threads; comprehensions, lambdas,
bodies of classes and of modules do not count. ``by package`` says where they are.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Any


def main() -> int:
    """Parse, run the command under a profiler, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo")
    parser.add_argument("bank")
    parser.add_argument("-c", "--class", dest="name", required=True)
    parser.add_argument("--preset", default="offline")
    parser.add_argument("--list", action="store_true", help="list every function")
    given = parser.parse_args()

    import ovseg
    from ovseg.cli.app import application

    package = Path(ovseg.__file__).parent
    codes: set[CodeType] = set()

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call":
            codes.add(frame.f_code)

    with tempfile.TemporaryDirectory() as folder:
        command = ["segment", given.photo, "--bank", given.bank, "-c", given.name, "-o", f"{folder}/out"]
        threading.setprofile(note)
        sys.setprofile(note)
        try:
            application()([*command, "--preset", given.preset, "--device", "cpu", "-f", "png", "-q"])
        except SystemExit as done:
            if done.code:
                raise
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]
    inside = [code for code in codes if Path(code.co_filename).is_relative_to(package)]
    called = {
        (Path(code.co_filename).relative_to(package).as_posix(), code.co_qualname)
        for code in inside
        # CO_OPTIMIZED is on what has locals of its own: not on bodies of classes and modules.
        if code.co_flags & 1 and not code.co_name.startswith("<")
    }
    files = {file for file, _ in called}
    print(f"{len(called)} functions in {len(files)} files")
    packages = Counter(file.split("/")[0] for file, _ in called)
    print("by package:", ", ".join(f"{name} {count}" for name, count in sorted(packages.items())))
    if given.list:
        print("\n".join(f"{file}: {name}" for file, name in sorted(called)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
