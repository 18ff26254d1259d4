# Nothing for Python: see weights.pxd.
