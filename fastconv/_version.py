"""The one place that tells the version: the package, the build and show_config read it here."""
__version__ = "0.1.0"
