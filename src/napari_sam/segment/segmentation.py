"""The answer to one object's prompts on one plane."""

from dataclasses import dataclass

from napari_sam.planes.mask import Mask


@dataclass(frozen=True)
class Segmentation:
    """Candidate masks of one object on one plane.

    Parameters
    ----------
    candidates
        One mask, or three for an ambiguous prompt, in the decoder's order. A candidate may be empty.
    chosen
        Which of them stands for the object.
    """

    candidates: tuple[Mask, ...]
    chosen: int = 0

    @property
    def mask(self) -> Mask:
        """The chosen candidate."""
        return self.candidates[self.chosen]
