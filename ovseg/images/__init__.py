"""Photographs on disk: which ones are meant, and their pixels, whatever state the files are in."""

from typing import TYPE_CHECKING

from ovseg.lazy import lazy_exports

if TYPE_CHECKING:
    from ovseg.images.convert import ImageLike, as_image, as_pixels
    from ovseg.images.find import SUFFIXES, ImageFile, find_images
    from ovseg.images.limits import ImageLimits
    from ovseg.images.load import LoadedImage, load_image, working_size
else:
    # Pillow and NumPy are not needed to know the limits, which the help of the command line shows.
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "SUFFIXES": "ovseg.images.find",
            "ImageFile": "ovseg.images.find",
            "ImageLimits": "ovseg.images.limits",
            "ImageLike": "ovseg.images.convert",
            "LoadedImage": "ovseg.images.load",
            "as_image": "ovseg.images.convert",
            "as_pixels": "ovseg.images.convert",
            "find_images": "ovseg.images.find",
            "load_image": "ovseg.images.load",
            "working_size": "ovseg.images.load",
        },
    )

__all__ = [
    "SUFFIXES",
    "ImageFile",
    "ImageLike",
    "ImageLimits",
    "LoadedImage",
    "as_image",
    "as_pixels",
    "find_images",
    "load_image",
    "working_size",
]
