"""A reversible change of a label array."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class WritableArray(Protocol):
    """What takes an edit: numpy and zarr arrays, and anything else that is assigned by slices."""

    def __setitem__(self, index: Any, values: Any) -> None:
        """Write `values` at `index`, one slice per axis."""
        ...


@dataclass(frozen=True, eq=False)
class Edit:
    """A reversible change of the labels inside one box.

    Parameters
    ----------
    box
        One slice per axis of the label array: the smallest box around the pixels that change.
    before, after
        The labels inside the box, in the array's own dtype. Empty if nothing changes.
    """

    box: tuple[slice, ...]
    before: NDArray[Any]
    after: NDArray[Any]

    def apply(self, array: WritableArray) -> None:
        """Write the labels as they are after the edit."""
        if self.after.size:
            array[self.box] = self.after

    def revert(self, array: WritableArray) -> None:
        """Write the labels as they were before the edit."""
        if self.before.size:
            array[self.box] = self.before

    @property
    def changed(self) -> int:
        """Number of pixels that change."""
        return int(np.count_nonzero(self.before != self.after))

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return self.before.nbytes + self.after.nbytes
