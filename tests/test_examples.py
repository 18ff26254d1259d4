"""The examples run, find what they say they find, and leave their pictures."""
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from .processes import python

EXAMPLES = Path(__file__).parents[1] / "examples"
NETWORK = "rapidocr-onnxruntime" if sys.version_info < (3, 13) else "rapidocr"
NEEDED = {
    "photograph": ["scipy", "scikit-image", "matplotlib"],
    "pooling": ["scipy", "scikit-image", "matplotlib"],
    "text_direction": ["onnx", "onnxruntime", "scikit-image", "matplotlib", NETWORK],
}


def skip_without(packages):
    """Looks for them without importing them: some need more than this test does."""
    for package in packages:
        try:
            distribution(package)
        except PackageNotFoundError:
            pytest.skip(f"{package} is not installed")


@pytest.mark.slow
@pytest.mark.parametrize("name", NEEDED)
def test_example(name, tmp_path):
    skip_without(NEEDED[name])
    done = python(str(EXAMPLES / f"{name}.py"), str(tmp_path), MPLBACKEND="Agg", timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / f"{name.replace('_', '-')}.png").stat().st_size > 10_000


def test_every_example_is_tested():
    assert set(NEEDED) == {file.stem for file in EXAMPLES.glob("*.py")}
