"""Configuration of Sphinx; ``scripts/docs`` builds the site."""

from typing import Any

from ovseg.version import __version__

project = "ovseg"
author = "ovseg contributors"
copyright = author
release = __version__
# Two dashes are a flag, and straight quotes are typed into a shell.
smartquotes = False

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
myst_heading_anchors = 4
napoleon_google_docstring = True
napoleon_numpy_docstring = False
# Attributes become a list in the class's description, and not entries that autodoc describes a second time.
napoleon_custom_sections = [("Attributes", "params_style")]
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
maximum_signature_line_length = 90

html_theme = "furo"
html_title = f"ovseg {release}"
html_show_copyright = False


def setup(app: Any) -> None:
    """Make the defaults that dataclasses build anew readable: ``<factory>`` is no Python."""
    app.connect("autodoc-process-signature", _without_factories)


def _without_factories(
    app: Any, what: str, name: str, value: Any, options: Any, signature: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    return (signature.replace("<factory>", "...") if signature else signature), returned
