"""Checksummed containers: arrays and JSON in one safetensors file with its kind, version and SHA-256.

Pools and banks come from other people. A container is read without pickle, without following anything it
says, and without allocating more than it holds; whatever is wrong with it ends in one line. The checksum
finds damage, not malice: who reads the content checks it as well.

The file is a plain safetensors file with one metadata entry, ``ovseg``: JSON of ``kind``, ``version`` and
``sha256``. The content is JSON in the uint8 tensor ``json``.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from ovseg.errors import BankMismatch
from ovseg.files import canonical_json, json_bytes, write_bytes

__all__ = ["MAX_BYTES", "container_bytes", "read_container", "write_container"]

MAX_BYTES = 2**35
"""Largest file that is read; ten million prototypes of 768 numbers fit."""
_MAX_HEADER = 2**20
"""Largest safetensors header; one with a hundred tensors has less than 16 KiB."""
_CONTENT = "json"
_DTYPES = {
    "BOOL": "bool", "U8": "uint8", "U16": "uint16", "U32": "uint32", "U64": "uint64", "I8": "int8",
    "I16": "int16", "I32": "int32", "I64": "int64", "F16": "float16", "F32": "float32", "F64": "float64",
}  # fmt: skip

Arrays = Mapping[str, npt.NDArray[Any]]


def write_container(path: Path, kind: str, version: int, content: Any, tensors: Arrays) -> None:
    """Write a container, atomically; equal values give equal bytes.

    Args:
        path: The file.
        kind: What it is: ``pool``, ``bank``…
        version: Of the layout of ``content`` and ``tensors``.
        content: JSON-able.
        tensors: By name; ``json`` is taken.

    Raises:
        OutputError: It cannot be written.
    """
    write_bytes(path, container_bytes(kind, version, content, tensors))


def container_bytes(kind: str, version: int, content: Any, tensors: Arrays) -> bytes:
    """The bytes that :func:`write_container` writes."""
    from safetensors.numpy import save

    if _CONTENT in tensors:
        raise ValueError(f"the tensor name {_CONTENT!r} is taken by the content")
    arrays = {name: np.asarray(values, order="C") for name, values in tensors.items()}
    arrays[_CONTENT] = np.frombuffer(json_bytes(content), np.uint8)
    seal = {"kind": kind, "version": version, "sha256": _checksum(kind, version, arrays)}
    # One entry only: the order of several is not fixed, and with it the bytes.
    return bytes(save(arrays, metadata={"ovseg": canonical_json(seal)}))


def read_container(
    path: Path, kind: str, version: int, *, max_bytes: int = MAX_BYTES
) -> tuple[int, Any, dict[str, npt.NDArray[Any]]]:
    """Read a container.

    Args:
        path: The file, from wherever.
        kind: What it must be.
        version: The newest version that the caller can read.
        max_bytes: Larger files are refused.

    Returns:
        Its version, content and tensors.

    Raises:
        BankMismatch: It is missing, no file, no container, of another kind, of a newer version, too large,
            truncated or altered.
    """
    from safetensors import SafetensorError, safe_open

    seal = _seal(path, kind, max_bytes)
    found = seal["version"]
    if found > version:
        raise BankMismatch(
            f"{path} is of version {found}, this ovseg reads {kind}s up to version {version}: update ovseg,"
            f" or build the {kind} again"
        )
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: np.asarray(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, OverflowError) as error:
        _damaged(path, kind, error)
    if _CONTENT not in arrays or _checksum(kind, found, arrays) != seal["sha256"]:
        _damaged(path, kind)
    try:
        text = arrays.pop(_CONTENT).tobytes()
        content = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        _damaged(path, kind, error)
    return found, content, arrays


def _seal(path: Path, kind: str, max_bytes: int) -> dict[str, Any]:
    """The seal of a file, from its header alone."""
    try:
        status = path.stat()
        # A pipe or a device would keep the reader waiting.
        if not stat.S_ISREG(status.st_mode):
            raise BankMismatch(f"cannot read {path}: it is not a file, and an ovseg {kind} is one")
        if status.st_size > max_bytes:
            raise BankMismatch(
                f"cannot read {path}: {status.st_size} bytes are more than the limit of {max_bytes}"
            )
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 2 <= length <= min(_MAX_HEADER, status.st_size - 8):
                raise BankMismatch(f"cannot read {path}: it is not an ovseg {kind}")
            header = json.loads(stream.read(length), parse_constant=_no_constant)
    except OSError as error:
        raise BankMismatch(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise BankMismatch(f"cannot read {path}: it is not an ovseg {kind}, or damaged") from error
    try:
        seal = json.loads(header.pop("__metadata__")["ovseg"])
        sound = (
            isinstance(seal["kind"], str)
            and type(seal["version"]) is int
            and seal["version"] >= 1
            and isinstance(seal["sha256"], str)
        )
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise BankMismatch(f"cannot read {path}: it is not an ovseg {kind}") from error
    if not sound:
        _damaged(path, kind)
    if seal["kind"] != kind:
        raise BankMismatch(f"cannot read {path}: it is an ovseg {seal['kind']:.40}, not a {kind}")
    for name, entry in header.items():
        if not isinstance(entry, dict) or entry.get("dtype") not in _DTYPES:
            _damaged(path, kind, ValueError(f"tensor {name!r:.60}"))
    return dict(seal)


def _checksum(kind: str, version: int, arrays: Arrays) -> str:
    """SHA-256 over kind, version and every tensor with its name, type and shape."""
    total = hashlib.sha256(canonical_json([kind, version]).encode())
    for name in sorted(arrays):
        values = arrays[name]
        total.update(canonical_json([name, values.dtype.str, list(values.shape)]).encode())
        total.update(np.ascontiguousarray(values).data.cast("B") if values.size else b"")
    return total.hexdigest()


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _damaged(path: Path, kind: str, cause: BaseException | None = None) -> NoReturn:
    detail = f" ({cause})" if cause is not None and str(cause) else ""
    raise BankMismatch(f"{path} is damaged{detail}: copy it again, or build the {kind} again") from cause
