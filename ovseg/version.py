"""The version, where every room can read it without the public names of the package."""

__version__ = "0.1.0"
