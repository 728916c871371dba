"""The version, apart from the public face, so that every room may say it."""

__version__ = "0.1.0"
