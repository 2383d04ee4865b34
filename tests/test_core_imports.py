"""``import ovseg`` costs milliseconds: what is heavy comes with the first use."""

from __future__ import annotations

import subprocess
import sys

import pytest

import ovseg

HEAVY = (
    *("torch", "timm", "skimage", "sklearn", "scipy", "huggingface_hub", "open_clip"),
    *("jinja2", "PIL", "numpy"),
)


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("ovseg", set()),
        ("ovseg.errors", set()),
        ("ovseg.types", {"numpy"}),
        ("ovseg.vocabulary", {"numpy"}),
        ("ovseg.config", set()),
        ("ovseg.cli", {"numpy", "PIL"}),
    ],
)
def test_light_modules_import_nothing_heavy(module, allowed):
    code = f"import sys, {module}; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(found.stdout.split()) <= allowed


def test_every_public_name_is_there():
    for name in ovseg.__all__:
        assert getattr(ovseg, name) is not None
    assert dir(ovseg) == sorted(ovseg.__all__)
    with pytest.raises(AttributeError, match="module 'ovseg' has no attribute 'Segmentor'"):
        _ = ovseg.Segmentor
