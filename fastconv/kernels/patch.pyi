# Nothing for Python: see patch.pxd.
