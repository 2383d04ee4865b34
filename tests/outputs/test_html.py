"""What all pages share: a head that lets nothing in or out, and pictures inside the page."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from ovseg.outputs.html import data_url, file_url, page_head


@pytest.mark.parametrize("scripts", [False, True])
def test_a_page_may_load_nothing_and_runs_scripts_only_where_asked(scripts):
    head = page_head("a <b> & c", "p { color: red }", scripts=scripts)
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in head
    assert ("script-src" in head) == scripts
    assert "<title>a &lt;b&gt; &amp; c</title>" in head
    assert "<style>\np { color: red }\n</style>" in head
    assert head.endswith("<body>\n")


@pytest.mark.parametrize(("kind", "suffix"), [("PNG", "png"), ("JPEG", "jpg")])
def test_pictures_stand_in_the_page_as_they_are_encoded(tmp_path, kind, suffix):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8))
    url = data_url(picture, kind)
    path = tmp_path / f"one.{suffix}"
    picture.save(path, kind)
    assert url == file_url(path)
    start, _, data = url.partition(",")
    assert start == f"data:image/{kind.lower()};base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as shown:
        assert (shown.format, shown.size) == (kind, (7, 5))
