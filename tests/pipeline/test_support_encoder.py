"""What is known of the patches of support images."""

import numpy as np
from fake_encoders import fake_encoders

from ovseg.config import EncodingConfig, FusionConfig
from ovseg.pipeline.support_encoder import SupportEncoder
from ovseg.pipeline.text_classifier import text_classifier
from ovseg.support.base import Origin, SupportImage
from ovseg.vocabulary import ClassSpec, Vocabulary


def seen(*, decoder=True):
    pixels = np.full((96, 96, 3), (90, 120, 90), np.uint8)
    pixels[24:72, 32:64] = (230, 20, 20)
    encoders = fake_encoders(decoder=decoder)
    classifier = text_classifier(Vocabulary((ClassSpec("tomato"),)), encoders.image_text, FusionConfig())
    encoder = SupportEncoder(encoders, classifier, EncodingConfig(image_size=96), FusionConfig())
    image = SupportImage(pixels, Origin("folder", "a.png", "0" * 64, "unknown"))
    return encoder.encode(image)


def test_objects_are_found_by_normalized_cut_where_the_encoder_has_no_saliency():
    for decoder in (True, False):
        view = seen(decoder=decoder)
        inside = np.zeros(view.grid, bool)
        inside[3:9, 4:8] = True
        found = view.foreground.reshape(view.grid).numpy() >= 0.5
        assert np.array_equal(found, inside), decoder
