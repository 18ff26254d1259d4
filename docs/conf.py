"""The documentation: `pip install ".[docs]"`, then `sphinx-build -W docs docs/_build/html`.

The gallery's pages are run on the way.
"""
import matplotlib

import fastconv

matplotlib.use("Agg")

project = "fastconv"
copyright = "the fastconv developers"
version = release = fastconv.__version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "sphinx_gallery.gen_gallery"]
nitpicky = False
default_role = "py:obj"    # `name` in a docstring is a parameter or a link
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"fastconv {release}"

autosummary_generate = True
autosummary_filename_map = {"fastconv.Conv": "fastconv.Conv-layer"}    # apart from fastconv.conv where case is ignored
numpydoc_show_class_members = False    # autosummary does that

sphinx_gallery_conf = {
    "examples_dirs": "../examples/gallery",
    "gallery_dirs": "gallery",
    "filename_pattern": r"[/\\]\d\d_",
    "ignore_pattern": r"drawing\.py",
    "within_subsection_order": "FileNameSortKey",
    "matplotlib_animations": (True, "jshtml"),
    "download_all_examples": False,
    "show_memory": False,
}
