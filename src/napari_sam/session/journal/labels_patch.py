"""What a deed changed in labels and in their table of objects."""

from dataclasses import dataclass, field

from napari_sam.labels.pixel_change import Box, PixelChange, hull
from napari_sam.session.object_row import Extent, ObjectRow


@dataclass(frozen=True, eq=False)
class LabelsPatch:
    """A reversible change of a label array, its objects and its next free id.

    Parameters
    ----------
    pixels
        Changes of pixels, in the order they were made.
    rows, extents
        Per label, before and after; None for none.
    next_label
        Before and after.
    """

    pixels: tuple[PixelChange, ...] = ()
    rows: dict[int, tuple[ObjectRow | None, ObjectRow | None]] = field(default_factory=dict)
    extents: dict[int, tuple[Extent | None, Extent | None]] = field(default_factory=dict)
    next_label: tuple[int | None, int | None] = (None, None)

    @property
    def box(self) -> Box | None:
        """The smallest box around the pixels that change; None if none do."""
        return hull(change.box for change in self.pixels)

    @property
    def nbytes(self) -> int:
        """Memory held, roughly."""
        rows = sum(row.nbytes for pair in self.rows.values() for row in pair if row is not None)
        return rows + sum(change.nbytes for change in self.pixels) + 256 * len(self.extents) + 256
