"""What answers were computed with."""

from dataclasses import dataclass

from napari_sam.planes.contrast import Contrast


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
    """

    model: str
    digest: str = ""
    precision: str = "float32"
    device: str = "cpu"
    contrast: Contrast | None = None
    channels: tuple[int, ...] | None = None
