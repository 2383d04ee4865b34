"""Photographs on disk: which ones are meant, and their pixels, whatever state the files are in."""

from ovseg.images.find import SUFFIXES, ImageFile, find_images
from ovseg.images.load import ImageLimits, LoadedImage, load_image

__all__ = ["SUFFIXES", "ImageFile", "ImageLimits", "LoadedImage", "find_images", "load_image"]
