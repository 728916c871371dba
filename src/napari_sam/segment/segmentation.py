"""The answer to one object's prompts on one plane."""

from dataclasses import dataclass

from napari_sam.planes.mask import Mask
from napari_sam.planes.window import Window


@dataclass(frozen=True)
class Segmentation:
    """Candidate masks of one object on one plane.

    Parameters
    ----------
    candidates
        One mask, or three for an ambiguous prompt, in the decoder's order. A candidate may be empty.
    chosen
        Which of them stands for the object.
    areas
        The areas of the plane that were encoded for it, in the order in which they were used.
    """

    candidates: tuple[Mask, ...]
    chosen: int = 0
    areas: tuple[Window, ...] = ()

    @property
    def mask(self) -> Mask:
        """The chosen candidate."""
        return self.candidates[self.chosen]
