"""The real encoders: what a photo is encoded to depends on nothing but the photo."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from ovseg.images.resize import resized
from ovseg.support.pool.config import PoolConfig
from ovseg.support.pool.views import encode_views, view_boxes, views

pytestmark = [pytest.mark.weights, pytest.mark.slow]


def test_a_photo_does_not_depend_on_its_company(offline):
    side = offline.image_text.image_size
    squares = [
        resized(getattr(data, name)(), (side, side)) for name in ("astronaut", "chelsea", "coffee", "rocket")
    ]
    together = encode_views(squares, offline.image_text, offline.device, 4)
    for place, square in enumerate(squares):
        alone = encode_views([square], offline.image_text, offline.device, 4)[0]
        turned = encode_views([*squares[place:], *squares[:place]], offline.image_text, offline.device, 4)[0]
        assert (alone == together[place]).all()
        assert (turned == together[place]).all()


def test_the_whole_is_what_segmentation_sees(offline):
    from ovseg.config import EncodingConfig
    from ovseg.pipeline.encode import encode_image
    from ovseg.pipeline.timer import Timer

    photo = data.chelsea()
    whole = encode_image(photo, offline, EncodingConfig(image_size=112), Timer(offline.device)).image_features
    squares = views(photo, view_boxes(PoolConfig()), offline.image_text.image_size)
    features = encode_views(squares, offline.image_text, offline.device, 1)[0]
    assert np.abs(whole.numpy() - features.astype(np.float32)).max() < 0.02
