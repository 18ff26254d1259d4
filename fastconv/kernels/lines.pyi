# Nothing for Python: see lines.pxd.
