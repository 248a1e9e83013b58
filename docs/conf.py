"""Sphinx settings. The reference pages are written by ``_ext/reference.py`` before the build reads them."""

import importlib.metadata
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "astrodetect"
author = "the astrodetect developers"
version = release = importlib.metadata.version("astrodetect")

extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc", "reference"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "generated"]

html_theme = "furo"
html_title = f"astrodetect {release}"

autodoc_member_order = "bysource"
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
default_role = "code"
