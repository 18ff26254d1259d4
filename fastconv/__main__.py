"""`python -m fastconv` prints what `fastconv.show_config()` does."""
from fastconv import show_config

show_config()
