"""The samples that File > Open Sample offers: real microscopy, and z-stacks that the project makes itself."""

from typing import Any

from napari_sam.errors import UserError
from napari_sam.sample import CROWDED, TISSUE, StackRecipe, generate_stack

LayerData = tuple[Any, dict[str, Any], str]


def tissue() -> list[LayerData]:
    """Return a generated z-stack: cells side by side, nuclei and membranes, the known nuclei in a hidden layer."""
    return _generated(TISSUE)


def crowded() -> list[LayerData]:
    """Return a generated z-stack: small nuclei that touch each other, dim and noisy, the known nuclei hidden."""
    return _generated(CROWDED)


def cell() -> list[LayerData]:
    """Return one cell in a quantitative phase image (2-D)."""
    return [(_skimage_data().cell(), {"name": "cell"}, "image")]


def immunohistochemistry() -> list[LayerData]:
    """Return stained colon tissue (2-D, RGB)."""
    stained = _skimage_data().immunohistochemistry()
    return [(stained, {"name": "immunohistochemistry", "rgb": True}, "image")]


def cells3d() -> list[LayerData]:
    """Return a real z-stack of nuclei and membranes, downloaded once.

    Raises
    ------
    UserError
        When it cannot be downloaded.
    """
    try:
        stack = _skimage_data().cells3d()  # (z, channel, row, column)
    # The download runs through pooch and requests, which raise a dozen kinds of errors without a common base.
    except Exception as error:
        raise UserError(
            "The sample cells3d could not be downloaded; check the network, or open the generated stack, "
            "which needs none."
        ) from error
    shown = _z_stack((0.29, 0.26, 0.26))
    return [
        (stack[:, 0], {"name": "membranes", "colormap": "magenta", "blending": "additive", **shown}, "image"),
        (stack[:, 1], {"name": "nuclei", "colormap": "gray", "blending": "additive", **shown}, "image"),
    ]


def _skimage_data() -> Any:
    """Return scikit-image's sample images; imported late, since only some samples need them, and untyped."""
    from skimage import data

    return data


def _generated(recipe: StackRecipe) -> list[LayerData]:
    """Return a generated stack as layers; the nuclei come last but one, on top, since they are what the user clicks."""
    stack = generate_stack(recipe)
    shown = _z_stack(stack.scale)
    return [
        (stack.membranes, {"name": "membranes", "colormap": "magenta", "visible": False, **shown}, "image"),
        (stack.nuclei, {"name": "nuclei", **shown}, "image"),
        (stack.nucleus_labels, {"name": "known nuclei", "visible": False, **shown}, "labels"),
    ]


def _z_stack(scale: tuple[float, float, float]) -> dict[str, Any]:
    """Return the layer attributes of a z-stack with voxels of `scale` micrometres."""
    return {"scale": scale, "axis_labels": ("z", "y", "x"), "units": ("um", "um", "um")}
