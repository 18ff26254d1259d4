"""Fresh interpreters that find the package and the tests that this one found."""
import os
import subprocess
import sys
from pathlib import Path

import fastconv

PATH = os.pathsep.join([str(Path(fastconv.__file__).parents[1]), str(Path(__file__).parents[1])])


def python(*arguments, timeout=120, cwd=None, **environment):
    """Run Python with these arguments; of the environment, a value of None takes a variable away."""
    variables = {**os.environ, "PYTHONPATH": PATH, "PYTHONSAFEPATH": "1", **environment}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=timeout, cwd=cwd,
        env={name: value for name, value in variables.items() if value is not None})
