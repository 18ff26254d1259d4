"""Settings for all tests, and a header that says which kernels they ran on."""
from hypothesis import settings

import fastconv
from fastconv import _isa

settings.register_profile("fastconv", deadline=None, max_examples=150, print_blob=True)
settings.load_profile("fastconv")


def pytest_configure(config):
    config.addinivalue_line("filterwarnings", "error")    # neither the package nor its referees may warn


def pytest_report_header():
    return f"fastconv {fastconv.__version__}, kernels: {_isa.isa} of {', '.join(_isa.available())}"
