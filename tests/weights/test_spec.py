from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovseg.errors import UnknownName, UsageError
from ovseg.weights.spec import ModelSpec, parse_spec


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("ViT-B-16:openai", ModelSpec("open_clip", "ViT-B-16", tag="openai")),
        ("ViT-B-16:/w/model.pt", ModelSpec("open_clip", "ViT-B-16", file=Path("/w/model.pt"))),
        ("ViT-B-16:own.safetensors", ModelSpec("open_clip", "ViT-B-16", file=Path("own.safetensors"))),
        ("timm:vit_base_patch8_224.dino", ModelSpec("timm", "vit_base_patch8_224.dino")),
        (
            "timm:vit_base_patch8_224:/w/x.pth",
            ModelSpec("timm", "vit_base_patch8_224", file=Path("/w/x.pth")),
        ),
        ("hf-hub:owner/repo", ModelSpec("hf-hub", "owner/repo")),
        ("hf-hub:owner/repo@v1.0", ModelSpec("hf-hub", "owner/repo", revision="v1.0")),
        ("local-dir:/a/b c", ModelSpec("local-dir", "/a/b c")),
        ("local-dir:weights", ModelSpec("local-dir", "weights")),
        (" dinov2-vits14 ", ModelSpec("recorded", "dinov2-vits14")),
    ],
)
def test_every_form_is_read_and_written_back(text, spec):
    assert parse_spec(text) == spec
    assert str(spec) == text.strip()


def test_a_home_folder_is_filled_in():
    assert parse_spec("local-dir:~/model").name == str(Path.home() / "model")


@pytest.mark.parametrize("text", ["owner/repo", "./model", "~/model", "..\\model", "a/b:c"])
def test_what_looks_like_a_path_gets_both_spellings(text):
    with pytest.raises(UnknownName) as caught:
        parse_spec(text)
    assert f"hf-hub:{text} or local-dir:{text}" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "hint"), [("hf:a/b", "hf-hub:a/b"), ("dir:/x", "local-dir:/x"), ("HF_HUB:a/b", "hf-hub:a/b")]
)
def test_other_prefixes_are_put_right(text, hint):
    with pytest.raises(UnknownName, match=f"did you mean {hint}"):
        parse_spec(text)


@pytest.mark.parametrize("text", ["", "  ", ":", "timm:", ":openai", "ViT-B-16:", "local-dir:"])
def test_incomplete_specs_are_refused(text):
    with pytest.raises(UsageError, match="is not complete"):
        parse_spec(text)


@pytest.mark.parametrize(
    "text", ["hf-hub:repo", "hf-hub:a/b/c", "hf-hub:a/b@", "hf-hub:a b/c", "hf-hub:a/b@x y"]
)
def test_malformed_repositories_are_refused(text):
    with pytest.raises(UsageError, match="write hf-hub:OWNER/REPO"):
        parse_spec(text)


names = st.text(string.ascii_letters + string.digits + "_.-", min_size=1).filter(
    lambda n: not n.startswith(".")
)


@given(names, names)
def test_specs_go_round(first, second):
    for spec in (
        ModelSpec("timm", first),
        ModelSpec("hf-hub", f"{first}/{second}"),
        ModelSpec("hf-hub", f"{first}/{second}", revision=second),
        ModelSpec("local-dir", f"/{first}/{second}"),
    ):
        assert parse_spec(str(spec)) == spec
