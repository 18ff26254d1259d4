"""The gallery's pages run, check themselves, tell what they computed, and leave their pictures."""
import os
import re
from pathlib import Path

import pytest

from .processes import PATH, python
from .test_examples import skip_without

GALLERY = Path(__file__).parents[1] / "examples" / "gallery"
PAGES = sorted(page.stem for page in GALLERY.glob("[0-9]*.py"))
NEEDED = ["scipy", "scikit-image", "scikit-learn", "matplotlib", "tqdm"]


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_page(name, tmp_path):
    skip_without(NEEDED)
    page = GALLERY / f"{name}.py"
    done = python(str(page), cwd=tmp_path, timeout=600, MPLBACKEND="Agg",
                  PYTHONPATH=os.pathsep.join([PATH, str(GALLERY)]))    # the pages import `drawing`, beside them
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()
    pictures = {file.name: file.stat().st_size for file in (tmp_path / "gallery-output").iterdir()}
    assert f"{name}.png" in pictures
    assert f"{name}.gif" in pictures or name != "01_convolution"
    assert all(picture.startswith(name) for picture in pictures)
    assert min(pictures.values()) > 10_000, pictures


def test_documentation_introduces_the_pages():
    """All of them, in their order."""
    told = re.findall(r":doc:`/gallery/(\d\d_\w+)`", (GALLERY.parents[1] / "docs" / "index.rst").read_text("utf-8"))
    assert [name for name in told if name in PAGES] == PAGES
    assert told == sorted(told)
