"""The table of methods, filled: each module that is imported here enters its own."""
import filters  # noqa: F401
import layers  # noqa: F401
import pools  # noqa: F401
import tiled  # noqa: F401
from libraries import METHODS, Method

__all__ = ["METHODS", "Method"]
