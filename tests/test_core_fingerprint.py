"""Identities of encoders, as banks and pools record them."""

from __future__ import annotations

import pytest

from ovseg.fingerprint import own_weights, same_fingerprint
from ovseg.weights.spec import parse_spec

SHA, OTHER_SHA = "ab" * 32, "cd" * 32


def identity(spec, sha256=SHA, what=None, **more):
    what = spec.partition(":")[2] if what is None else what
    encoder = {"name": spec, "what": what, "spec": spec, "sha256": sha256, "licence": "MIT"}
    return {
        "name": "backbone-key",
        "role": "backbone",
        "layer": -1,
        "facet": "key",
        "encoder": encoder | more,
    }


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (identity("local-dir:/a/dino"), identity("local-dir:/b/plain"), True),
        (identity("local-dir:/a"), identity("local-dir:/a", OTHER_SHA), False),
        (identity("local-dir:/a", timestep=200), identity("local-dir:/b", timestep=200), True),
        (identity("local-dir:/a", timestep=200), identity("local-dir:/a", timestep=100), False),
        (identity("local-dir:/a", None), identity("local-dir:/b", None), False),
        (identity("local-dir:/a"), identity("local-dir:/a") | {"facet": "token"}, False),
        (identity("ViT-B-16:/a.pt", what="ViT-B-16"), identity("ViT-B-16:/b.pt", what="ViT-B-16"), True),
        (identity("ViT-B-16:/a.pt", what="ViT-B-16"), identity("ViT-B-32:/a.pt", what="ViT-B-32"), False),
        (identity("timm:vit:/a.pt", what="vit"), identity("timm:vit:b.pt", what="vit"), True),
        (identity("timm:vit:/a.pt", what="vit"), identity("timm:vit", what="vit"), False),
        (identity("hf-hub:a/b"), identity("hf-hub:c/d"), False),
        ({"encoder": "unknown"}, {"encoder": "unknown"}, True),
        ({"encoder": {"name": "a", "sha256": SHA}}, {"encoder": {"name": "b", "sha256": SHA}}, False),
    ],
)
def test_weights_are_known_by_their_hash_wherever_they_lie(one, other, same):
    assert same_fingerprint(one, other) is same_fingerprint(other, one) is same


@pytest.mark.parametrize(
    "spec",
    [
        "ViT-B-16:openai", "ViT-B-16:/w/a.safetensors", "ViT-B-16:a.pt", "ViT-B-16:./openai", "ViT-B-16:~/w",
        "timm:vit_base_patch8_224.dino", "timm:vit_base_patch8_224:/w/dino", "timm:vit:dino.pth",
        "hf-hub:owner/repo", "hf-hub:owner/repo@v1", "local-dir:/a", "local-dir:a", "dino-vitb8",
    ],
)  # fmt: skip
def test_whose_weights_they_are_is_what_the_grammar_says(spec):
    read = parse_spec(spec)
    assert (own_weights(spec) is not None) == (read.source == "local-dir" or read.file is not None)
    assert own_weights(spec) in (None, "local-dir", "ViT-B-16", f"timm:{read.name}")
