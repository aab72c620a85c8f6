"""Kernel packages with msharefs, and the tools that roll them out and check them."""

__version__ = "0.1.0"
