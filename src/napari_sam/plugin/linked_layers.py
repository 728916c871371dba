"""Points and Shapes layers of the user's that count as prompts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from napari.layers import Points, Shapes

from napari_sam.plugin.layer_prompts import Axes, ToImage
from napari_sam.plugin.layer_watch import LayerWatch


@dataclass(frozen=True, eq=False)
class Link:
    """One layer.

    Parameters
    ----------
    layer
        The layer.
    to_image
        From its data coordinates to the image's.
    axes
        Displayed axes of its prompts, where it does not tell them.
    """

    layer: Points | Shapes
    to_image: ToImage
    axes: Axes


class LinkedLayers:
    """The layers, each of which is watched.

    Parameters
    ----------
    on_edit
        Called when one is different.
    """

    def __init__(self, on_edit: Callable[[], None]) -> None:
        self._on_edit = on_edit
        self._links: list[tuple[Link, LayerWatch]] = []

    def __iter__(self) -> Iterator[Link]:
        return iter([link for link, _ in self._links])

    def __len__(self) -> int:
        return len(self._links)

    def add(self, link: Link) -> bool:
        """Watch one more; whether it was not among them yet."""
        if any(link.layer is each.layer for each in self):
            return False
        self._links.append((link, LayerWatch(link.layer, self._on_edit)))
        return True

    def clear(self) -> list[Points | Shapes]:
        """Watch none any more; which it were."""
        links, self._links = self._links, []
        for _, watch in links:
            watch.close()
        return [link.layer for link, _ in links]
