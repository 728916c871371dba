"""What many steps share, listed once."""

from collections.abc import Sequence
from typing import Any

from napari_sam.planes.contrast import Contrast
from napari_sam.planes.window import Window
from napari_sam.prompts.json_values import flag, items, numbers, text, whole, wholes
from napari_sam.prompts.mask_json import window_from_json, window_to_json
from napari_sam.segment.setup import Setup


class Palette:
    """Setups and areas by number.

    Parameters
    ----------
    setups, areas
        The ones that there are already.

    Attributes
    ----------
    setups, areas : list
        In the order of their numbers.
    """

    def __init__(self, setups: Sequence[Setup] = (), areas: Sequence[Window] = ()) -> None:
        self.setups = list(setups)
        self.areas = list(areas)
        self._setup_numbers = {setup: at for at, setup in enumerate(self.setups)}
        self._area_numbers = {area: at for at, area in enumerate(self.areas)}

    def setup(self, setup: Setup) -> int:
        """The number of a setup, which is a new one if need be."""
        if setup not in self._setup_numbers:
            self._setup_numbers[setup] = len(self.setups)
            self.setups.append(setup)
        return self._setup_numbers[setup]

    def area(self, area: Window) -> int:
        """The number of an area, which is a new one if need be."""
        if area not in self._area_numbers:
            self._area_numbers[area] = len(self.areas)
            self.areas.append(area)
        return self._area_numbers[area]

    def to_json(self) -> dict[str, Any]:
        """Both lists."""
        return {
            "setups": [_setup_to_json(setup) for setup in self.setups],
            "areas": [window_to_json(area) for area in self.areas],
        }

    @classmethod
    def from_json(cls, content: Any) -> "Palette":
        """Both lists; raises one of `MALFORMED` if they are none."""
        setups = [_setup_from_json(each) for each in items(content["setups"])]
        return cls(setups, [window_from_json(each) for each in items(content["areas"])])


def _setup_to_json(setup: Setup) -> dict[str, Any]:
    contrast = setup.contrast
    return {
        "model": setup.model,
        "digest": setup.digest,
        "precision": setup.precision,
        "device": setup.device,
        "contrast": None if contrast is None else [list(map(float, limits)) for limits in contrast.limits],
        "nonfinite": contrast is not None and contrast.has_nonfinite,
        "channels": None if setup.channels is None else [int(channel) for channel in setup.channels],
    }


def _setup_from_json(content: Any) -> Setup:
    contrast, channels = content["contrast"], content["channels"]
    limits = None
    if contrast is not None:
        pairs = [numbers(each, 2) for each in items(contrast)]
        limits = Contrast(tuple((low, high) for low, high in pairs), flag(content["nonfinite"]))
    return Setup(
        text(content["model"]),
        text(content["digest"]),
        text(content["precision"]),
        text(content["device"]),
        limits,
        None if channels is None else wholes(channels),
    )


def numbered(values: Sequence[Any], number: Any) -> Any:
    """The value of a number; raises `IndexError` if there is none."""
    at = whole(number)
    if not 0 <= at < len(values):
        raise IndexError(f"there is no number {at}")
    return values[at]
