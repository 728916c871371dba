"""Segment cells with clicks in napari, and carry them through z-stacks."""

__version__ = "0.1.0"
