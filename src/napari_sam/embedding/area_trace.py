"""Which encoded areas an answer came from, and having it come from the same ones again."""

from collections.abc import Sequence

from napari_sam.embedding.embedder import EmbeddedWindow, Embedder
from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.plane import Plane
from napari_sam.planes.window import Window


class AreaTrace(Embedder):
    """An embedder that remembers which areas it took windows from.

    What is at hand decides which area that is, and the same window of another area has slightly other features. Given
    the areas of an earlier run, the answers are those of that run to the last bit.

    Parameters
    ----------
    embedder
        What encodes; itself perhaps traced.
    areas
        The areas of an earlier run, in order; what goes beyond them is taken from what is at hand.

    Attributes
    ----------
    used : list of Window
        The areas since `take` was called last, in order.
    """

    def __init__(self, embedder: Embedder, areas: Sequence[Window] = ()) -> None:
        # Everything is shared with the embedder: what one encodes is at hand for the other.
        self.__dict__.update(embedder.__dict__)
        self._traced = embedder
        self._given = iter(areas)
        self.used: list[Window] = []

    def at_each(
        self,
        plane: Plane,
        steps: Sequence[tuple[float, float]],
        center: tuple[float, float],
        cancel: CancelToken | None = None,
        *,
        tight: bool = False,
        areas: Sequence[Window | None] = (),
    ) -> list[EmbeddedWindow]:
        """See `Embedder.at_each`; `areas` come before those that were given."""
        wanted = []
        for step, area in zip(steps, areas or [None] * len(steps), strict=True):
            given = next(self._given, None) if area is None else area
            # One of another step belongs to a run that went another way.
            wanted.append(given if given is not None and given.step == step else None)
        embedded = self._traced.at_each(plane, steps, center, cancel, tight=tight, areas=wanted)
        self.used += [each.area for each in embedded]
        return embedded

    def take(self) -> tuple[Window, ...]:
        """The areas that were used since this was called last."""
        used, self.used = tuple(self.used), []
        return used
