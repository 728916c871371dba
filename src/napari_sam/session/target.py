"""Where accepted objects are written."""

from typing import Any, Protocol


class Target(Protocol):
    """A label array that objects are accepted into."""

    @property
    def name(self) -> str:
        """What the user knows it by."""
        ...

    @property
    def array(self) -> Any:
        """The labels, (axes...) of an integer dtype, as long as the image along every axis.

        Anything that reads and writes boxes given as a tuple of slices.
        """
        ...


class ArrayTarget:
    """A bare array as a target.

    Parameters
    ----------
    array
        The labels.
    name
        What the user knows them by.
    """

    def __init__(self, array: Any, name: str = "labels") -> None:
        self.array = array
        self.name = name
