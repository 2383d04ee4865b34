"""What is known of the cells of support images."""

import numpy as np
from fake_encoders import fake_encoders

from ovseg.config import SegmentConfig
from ovseg.pipeline.names import NamedClasses
from ovseg.pipeline.support_views import SupportViewer, framed, within
from ovseg.support.base import Origin, SupportImage
from ovseg.vocabulary import ClassSpec, Vocabulary


def seen(*, decoder=True, frame=0):
    pixels = np.full((96, 96, 3), (90, 120, 90), np.uint8)
    pixels[24:72, 32:64] = (230, 20, 20)
    encoders = fake_encoders(decoder=decoder)
    named = NamedClasses.prepare(Vocabulary((ClassSpec("tomato"),)), encoders.names)
    viewer = SupportViewer(encoders, named, SegmentConfig(image_size=96), frame=frame)
    image = SupportImage(pixels, Origin("folder", "a.png", "0" * 64, "unknown"))
    return viewer.see(image)


def test_objects_are_found_by_normalized_cut_where_the_encoder_has_no_saliency():
    for decoder in (True, False):
        view = seen(decoder=decoder)
        inside = np.zeros(view.grid, bool)
        inside[3:9, 4:8] = True
        found = view.foreground.reshape(view.grid).numpy() >= 0.5
        assert np.array_equal(found, inside), decoder


def test_a_frame_leaves_the_cells_of_the_image_alone():
    bare, with_frame = seen(), seen(frame=2)
    assert bare.grid == with_frame.grid == (12, 12)
    # The fake shape encoder sees each cell on its own, so its surroundings change nothing.
    assert np.allclose(bare.features["colours"], with_frame.features["colours"], atol=1e-5)
    assert np.array_equal(bare.foreground >= 0.5, with_frame.foreground >= 0.5)


def test_edges_are_continued():
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    wide = framed(pixels, 0.5)
    assert wide.shape == (4, 5, 3)
    assert np.array_equal(wide[1:3, 1:4], pixels)
    assert np.array_equal(wide[0, 0], pixels[0, 0])
    assert framed(pixels, 0.0) is pixels


def test_cells_within_a_frame():
    inner, grid = within((4, 5), 1)
    assert grid == (2, 3)
    assert inner.tolist() == [6, 7, 8, 11, 12, 13]
