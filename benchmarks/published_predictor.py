"""The publishers' own predictor, without torchvision."""

import importlib
import importlib.util
import sys
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def _to_pil_image(image: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(image)


def _resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """What torchvision does with an image of Pillow's: `size` is (rows, columns), the filter is bilinear."""
    return image.resize((size[1], size[0]), Image.Resampling.BILINEAR)


@cache
def _package() -> ModuleType:
    """segment-anything without the parts that it imports eagerly and that need torchvision."""
    if importlib.util.find_spec("torchvision") is None:
        functional = ModuleType("torchvision.transforms.functional")
        functional.resize, functional.to_pil_image = _resize, _to_pil_image  # type: ignore[attr-defined]
        sys.modules["torchvision"] = ModuleType("torchvision")
        sys.modules["torchvision.transforms"] = ModuleType("torchvision.transforms")
        sys.modules["torchvision.transforms.functional"] = functional
    if "segment_anything" not in sys.modules:
        spec = importlib.util.find_spec("segment_anything")
        if spec is None:
            raise ImportError("segment-anything is not installed")
        bare = ModuleType("segment_anything")
        bare.__path__ = list(spec.submodule_search_locations or [])
        sys.modules["segment_anything"] = bare
    return sys.modules["segment_anything"]


def published_modeling() -> Any:
    """The publishers' `modeling` package."""
    _package()
    return importlib.import_module("segment_anything.modeling")


def published_predictor(network: Any) -> Any:
    """A `SamPredictor` of a published network."""
    _package()
    return importlib.import_module("segment_anything.predictor").SamPredictor(network)
