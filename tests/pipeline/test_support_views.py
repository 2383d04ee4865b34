"""What is known of the cells of support images."""

import numpy as np
from fake_encoders import fake_encoders

from ovseg.config import SegmentConfig
from ovseg.pipeline.names import NamedClasses
from ovseg.pipeline.support_views import SupportViewer
from ovseg.support.base import Origin, SupportImage
from ovseg.vocabulary import ClassSpec, Vocabulary


def seen(*, decoder=True):
    pixels = np.full((96, 96, 3), (90, 120, 90), np.uint8)
    pixels[24:72, 32:64] = (230, 20, 20)
    encoders = fake_encoders(decoder=decoder)
    named = NamedClasses.prepare(Vocabulary((ClassSpec("tomato"),)), encoders.names)
    viewer = SupportViewer(encoders, named, SegmentConfig(image_size=96))
    image = SupportImage(pixels, Origin("folder", "a.png", "0" * 64, "unknown"))
    return viewer.see(image)


def test_objects_are_found_by_normalized_cut_where_the_encoder_has_no_saliency():
    for decoder in (True, False):
        view = seen(decoder=decoder)
        inside = np.zeros(view.grid, bool)
        inside[3:9, 4:8] = True
        found = view.foreground.reshape(view.grid).numpy() >= 0.5
        assert np.array_equal(found, inside), decoder
