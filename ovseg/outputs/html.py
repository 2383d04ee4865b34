"""What the pages that are written have in common: one file that loads nothing, with its pictures inside."""

from __future__ import annotations

import base64
import io
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

__all__ = ["data_url", "file_url", "page_head"]


def page_head(title: str, style: str, *, scripts: bool = False) -> str:
    """A page up to and with ``<body>``.

    Its policy lets it load and send nothing, whatever stands in the texts that it shows.

    Args:
        title: Of the window, as plain text.
        style: CSS.
        scripts: Let scripts run that stand in the page itself.
    """
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    if scripts:
        policy += "; script-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style.strip()}\n</style>\n</head>\n<body>\n"
    )


def data_url(picture: Image.Image, kind: str, **options: Any) -> str:
    """A picture as the source of an ``img``.

    Args:
        picture: What to show.
        kind: ``JPEG`` or ``PNG``.
        options: Of :meth:`PIL.Image.Image.save`.
    """
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return _url(kind, stream.getvalue())


def file_url(path: Path) -> str:
    """A JPEG or PNG file as the source of an ``img``, byte for byte.

    Raises:
        OSError: The file cannot be read.
    """
    return _url("JPEG" if path.suffix in (".jpg", ".jpeg") else "PNG", path.read_bytes())


def _url(kind: str, data: bytes) -> str:
    return f"data:image/{kind.lower()};base64,{base64.b64encode(data).decode('ascii')}"
