"""The answer to one object's prompts on one plane, and what it was computed with."""

from dataclasses import dataclass

from napari_sam.planes.contrast import Contrast
from napari_sam.planes.geometry import Mask, Window


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


@dataclass(frozen=True)
class Setup:
    """All that an answer depends on besides the image and the prompts; shared by many answers.

    Parameters
    ----------
    model
        Name of, or path to, the model.
    digest
        SHA-256 of the file of weights, hexadecimal; empty where there is none.
    precision
        In which images are encoded: "float32", ...
    device
        Where the network ran: "cpu", "cuda", ...
    contrast
        Limits that the encoder's input was scaled by, whether measured or given.
    channels
        Channels that the network was shown; None for the default ones.
    local_corrections
        Whether corrections change what is far from them but little; versions before 0.2 did not know it.
    """

    model: str
    digest: str = ""
    precision: str = "float32"
    device: str = "cpu"
    contrast: Contrast | None = None
    channels: tuple[int, ...] | None = None
    local_corrections: bool = False
