"""How Sphinx builds the documentation: `make docs`."""

import sys
from pathlib import Path

import dotkafka

sys.path.insert(0, str(Path(__file__).parent))  # for api_pages

project = "dotkafka"
author = "The dotkafka authors"
copyright = "The dotkafka authors"  # noqa: A001 (Sphinx's name)
version = release = dotkafka.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "api_pages"]
source_suffix = {".md": "markdown"}
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "dotkafka"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
nitpicky = False
suppress_warnings = ["myst.xref_missing"]
