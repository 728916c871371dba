"""How the mask that a user corrects is handed to the model."""

from dataclasses import replace

from napari_sam.planes.mask import Mask
from napari_sam.prompts.prompt import Prompts


def fed_back(prompts: Prompts, fed: Mask | None) -> tuple[Prompts, Mask | None]:
    """What to ask of a segmenter.

    Parameters
    ----------
    prompts
        What the user said.
    fed
        The mask that is corrected; None for none.

    Returns
    -------
    (Prompts, Mask or None)
        The prompts, and the previous mask. A mask without logits cannot be fed back as such: it is a dense prompt,
        where the user gave none.
    """
    if fed is None or fed.logits is not None:
        return prompts, fed
    return (prompts if prompts.mask is not None else replace(prompts, mask=fed)), None
