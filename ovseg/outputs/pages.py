"""Write HTML pages: Jinja2 templates that escape every value, one stylesheet, pictures inside the page.

A page is one file. Its Content-Security-Policy allows pictures from data URLs, styles of the page itself, and
the one script whose hash it states; nothing is loaded from or sent to anywhere.

Page modules prepare plain data. All markup is in ``templates/``: ``base.html`` is the frame of every page,
``macros.html`` has what pages share. Jinja2 is imported when the first page is written.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ovseg.outputs.fragments import open_text
from ovseg.outputs.legend import percent
from ovseg.outputs.palette import BACKGROUND_REGION, FOREGROUND_REGION, hex_colour

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

__all__ = ["array_url", "data_url", "environment", "file_url", "render", "write_page"]


@cache
def environment(templates: Path | None = None) -> Environment:
    """The environment of all templates.

    Args:
        templates: Folder of further templates, which may extend and import those of ovseg.
    """
    import jinja2

    own = jinja2.PackageLoader("ovseg.outputs", "templates")
    made = jinja2.Environment(
        loader=own if templates is None else jinja2.ChoiceLoader([own, jinja2.FileSystemLoader(templates)]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals |= {
        "asset": lambda name: _asset(made, name),
        "digest": lambda name: _digest(made, name),
        "region_colours": [_hex(FOREGROUND_REGION), _hex(BACKGROUND_REGION)],
    }
    made.filters |= {
        "colour": hex_colour,
        "compact": _compact_json,
        "counted": counted,
        "jpeg": array_url,
        "pretty": _pretty_json,
        "share": percent,
    }
    return made


def render(template: str, /, *, templates: Path | None = None, **values: Any) -> Iterator[str]:
    """A page piece by piece: iterators among ``values`` are read while the page is written.

    Args:
        template: Name of the template.
        templates: Folder in which it lies, if it is not one of ovseg's own.
        values: What it shows. A name that the template uses and that is not given is an error.
    """
    return environment(templates).get_template(template).generate(**values)


def write_page(path: Path, template: str, /, *, templates: Path | None = None, **values: Any) -> Path:
    r"""Write a page atomically, in memory that does not grow with its length.

    Arguments are those of :func:`render`.

    File names that are not valid UTF-8 (lone surrogates) are shown with ``\udcXX`` escapes.

    Returns:
        ``path``.

    Raises:
        OutputError: It cannot be written.
    """
    with open_text(path) as stream:
        stream.writelines(render(template, templates=templates, **values))
    return path


def data_url(picture: Image.Image, kind: str, **options: Any) -> str:
    """A picture as the source of an image element.

    Args:
        picture: What to show.
        kind: ``JPEG`` or ``PNG``.
        options: Of :meth:`PIL.Image.Image.save`.
    """
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return _url(kind, stream.getvalue())


def array_url(pixels: npt.NDArray[np.uint8], quality: int = 85) -> str:
    """(H, W, 3) uint8 RGB as the source of an image element, JPEG of that quality."""
    return data_url(Image.fromarray(pixels), "JPEG", quality=quality)


def file_url(path: Path) -> str:
    """A JPEG or PNG file as the source of an image element, byte for byte.

    Raises:
        OSError: The file cannot be read.
    """
    return _url("JPEG" if path.suffix in (".jpg", ".jpeg") else "PNG", path.read_bytes())


def counted(count: int, noun: str) -> str:
    """A number with its noun: ``"1 image"``, ``"3 classes"``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}{'es' if noun.endswith('s') else 's'}"


def _hex(colour: tuple[int, int, int]) -> str:
    return "#" + bytes(colour).hex()


def _url(kind: str, data: bytes) -> str:
    return f"data:image/{kind.lower()};base64,{base64.b64encode(data).decode('ascii')}"


def _asset(pages: Environment, name: str) -> Markup:
    """The text of a stylesheet or script beside the templates, without escapes."""
    from markupsafe import Markup

    assert pages.loader is not None
    return Markup(pages.loader.get_source(pages, name)[0].strip())


def _digest(pages: Environment, name: str) -> str:
    """A script's hash as the Content-Security-Policy wants it (CSP level 2, section 4.2.5)."""
    return base64.b64encode(hashlib.sha256(_asset(pages, name).encode()).digest()).decode("ascii")


def _compact_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _pretty_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
