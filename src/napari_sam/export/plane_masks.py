"""The objects of a label array plane by plane, as formats have them that know planes and polygons only."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from napari_sam.errors import UserError
from napari_sam.export.save_labels import axis_letters, ome_axes
from napari_sam.labels.label_masks import masks_of
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.planes.image_source import ImageSource


@dataclass(frozen=True, eq=False)
class PlaneMasks:
    """The objects on one plane.

    Parameters
    ----------
    position
        By letter (T, C, Z), where it is along the axes of the array that are longer than 1.
    number
        How many planes come before it.
    masks
        By id, ascending.
    """

    position: dict[str, int]
    number: int
    masks: dict[int, Mask]

    @property
    def name(self) -> str:
        """Its position in a name, as "t0-z12"; empty for the only plane."""
        return "-".join(f"{letter.lower()}{at}" for letter, at in self.position.items())


def masks_by_plane(labels: ImageSource) -> Iterator[PlaneMasks]:
    """Yield every plane of a label array, those without an object as well; one is read at a time.

    Raises
    ------
    UserError
        If there are more than five axes, or an id is negative.
    """
    letters, shape = axis_order(labels), labels.shape
    axes = letters.index("Y"), letters.index("X")
    ranges = [range(1) if axis in axes else range(size) for axis, size in enumerate(shape)]
    for number, index in enumerate(product(*ranges)):
        page = labels.read(Plane(axes, index), slice(None), slice(None))[..., 0]
        if page.dtype.kind == "i" and page.min() < 0:
            raise UserError(f"The labels hold the negative id {page.min()}, which cannot be saved; relabel it first.")
        position = {letters[axis]: at for axis, at in enumerate(index) if axis not in axes and shape[axis] > 1}
        yield PlaneMasks(position, number, masks_of(page))


def axis_order(labels: ImageSource) -> str:
    """Return one letter of T, C, Z, Y, X per axis of a label array.

    Raises
    ------
    UserError
        If there are more than five axes.
    """
    return ome_axes(axis_letters(labels.axis_labels), labels.ndim)


def plane_shape(labels: ImageSource) -> tuple[int, int]:
    """Return (rows, columns) of the planes of a label array."""
    letters = axis_order(labels)
    return labels.shape[letters.index("Y")], labels.shape[letters.index("X")]
