"""What decides the values of features, compared: weights are known by their hash, not by where they lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ovseg.files import digest

__all__ = ["WEIGHTS", "same_fingerprint"]

WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".npz")
"""How files of weights end."""


def same_fingerprint(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two identities, as banks and pools have them on record, mean the same features.

    All of them must be equal, but for the place of weights that are a file or a folder of the user's own:
    their SHA-256 says what they are, and a folder may be moved or renamed.
    """
    return digest(_without_place(one)) == digest(_without_place(other))


def _without_place(identity: Mapping[str, Any]) -> dict[str, Any]:
    encoder = identity.get("encoder")
    if not isinstance(encoder, Mapping) or not encoder.get("sha256"):
        return dict(identity)
    kind = own_weights(str(encoder.get("spec", "")))
    if kind is None:
        return dict(identity)
    # Of a folder the path is all that name and description say; of a file they have the architecture.
    place = ("name", "what") if kind == "local-dir" else ("name",)
    known = {key: value for key, value in encoder.items() if key not in place}
    return {**identity, "encoder": known | {"spec": kind}}


def own_weights(spec: str) -> str | None:
    """A spec of weights of the user's own (``ovseg.weights.spec``) without their path; None for others."""
    kind, _, rest = spec.partition(":")
    if kind == "local-dir":
        return kind
    if kind == "timm":
        name, _, file = rest.partition(":")
        return f"timm:{name}" if file else None
    if kind != "hf-hub" and (
        "/" in rest or "\\" in rest or rest.startswith((".", "~")) or rest.endswith(WEIGHTS)
    ):
        return kind
    return None
