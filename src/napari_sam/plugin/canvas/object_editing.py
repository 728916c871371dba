"""The editing of accepted objects as the user asks for it: which of them, where, and how far."""

from collections.abc import Callable, Sequence

import numpy as np

from napari_sam.errors import UserError
from napari_sam.labels.morphology import Reshaping, Treatment
from napari_sam.planes.geometry import Plane
from napari_sam.planes.spacing import depth_axis
from napari_sam.plugin.actions import Action
from napari_sam.plugin.canvas.split_clicks import SplitClicks
from napari_sam.plugin.layers.label_obstacles import check_writable
from napari_sam.plugin.layers.target_layers import LayerTarget
from napari_sam.plugin.layers.viewer_context import ViewerContext
from napari_sam.prompts.prompt import Point
from napari_sam.session.object_edits import EditScope

TREATMENTS = {
    Action.FILL_HOLES: Treatment.FILL_HOLES,
    Action.KEEP_LARGEST: Treatment.KEEP_LARGEST,
    Action.SMOOTH: Treatment.SMOOTH,
    Action.GROW: Treatment.GROW,
    Action.SHRINK: Treatment.SHRINK,
}
EDITS = (Action.MERGE, Action.SPLIT, *TREATMENTS)
"""What can be done with accepted objects, in the order of its buttons."""
PIXELS = 2.0
"""Distance to begin with, in pixels of the finest axis (chosen: the least that is well seen)."""


class ObjectEditing:
    """The choices about editing objects, and what keys and buttons ask for by them.

    Parameters
    ----------
    context
        The viewer and the session.
    splitting
        Where an object is clicked to be split.
    follow_view
        Tells the session what is in view.
    axis
        Tells the axis that the user chose to carry objects along; None for the likeliest.

    Attributes
    ----------
    selected : tuple of int
        The objects that are selected in the table.
    everything : bool
        Whether all objects are reshaped, not those that are selected.
    scope : EditScope
        Where.
    distance : float or None
        How far to smooth, grow and shrink, in the image's unit; None for `PIXELS`.
    """

    def __init__(
        self,
        context: ViewerContext,
        splitting: SplitClicks,
        follow_view: Callable[[], None],
        axis: Callable[[], int | None],
    ) -> None:
        self._context = context
        self._splitting = splitting
        self._follow_view = follow_view
        self._axis = axis
        self.selected: tuple[int, ...] = ()
        self.everything = False
        self.scope = EditScope.OBJECT
        self.distance: float | None = None

    @property
    def unit(self) -> tuple[float, str]:
        """Size of the finest pixel that a distance goes over, and the unit of distances."""
        return self._context.session.edits.unit(self.scope, self._depth())

    def merge(self) -> None:
        """Make one object of those that are selected.

        Raises
        ------
        UserError
            If there are fewer than two.
        """
        self._check()
        self._context.session.edits.merge(self.selected, self.scope)

    def split(self) -> None:
        """Let the next clicks split the selected object, or the one that they are on; pressed again, split it.

        Raises
        ------
        UserError
            If several are selected, or no plane is in view.
        """
        if self._splitting.active:
            self.finish_split()
            return
        self._check()
        if len(self.selected) > 1:
            raise UserError("Select one object to split, or none and click the one that you mean.")
        self._splitting.start(self.selected[0] if self.selected else None)

    def finish_split(self) -> None:
        """Split the object by the clicks that were given.

        Raises
        ------
        UserError
            If there are fewer than two.
        """
        label, clicks = self._splitting.label, list(self._splitting.clicks)
        if label is None or len(clicks) < 2:
            raise UserError("Click in two parts of the object at least, then press Enter; Esc leaves splitting.")
        self._context.session.edits.split(label, clicks, self.scope, self._depth())
        self._splitting.stop()

    def reshape(self, treatment: Treatment) -> None:
        """Fill, smooth, grow or shrink the selected objects, the one under the pointer, or all.

        Raises
        ------
        UserError
            If there are none.
        """
        self._check()
        goes_far = treatment in (Treatment.SMOOTH, Treatment.GROW, Treatment.SHRINK)
        distance = PIXELS * self.unit[0] if self.distance is None else self.distance
        reshaping = Reshaping(treatment, distance if goes_far else 0.0)
        labels = None if self.everything else self._meant()
        self._context.session.edits.reshape(reshaping, labels, self.scope, self._depth())

    def _meant(self) -> Sequence[int]:
        """Return the selected objects; where none is, the one that the pointer is on."""
        if self.selected:
            return self.selected
        viewer, view = self._context.viewer, self._context.resolve()
        if viewer.mouse_over_canvas and not isinstance(view, str) and self._context.image is not None:
            at = self._context.image.world_to_data(np.asarray(viewer.cursor.position, float))
            label = self._context.session.edits.label_at(view.plane, _point(view.plane, at))
            if label > 0:
                return (label,)
        raise UserError("Select objects in the table, point at one, or choose all objects.")

    def _check(self) -> None:
        """Say no to labels that cannot be written."""
        self._follow_view()
        target = self._context.session.labels.target
        if isinstance(target, LayerTarget):
            check_writable(target.layer)

    def _depth(self) -> int | None:
        """Return the chosen axis if it is one of depth."""
        source, plane, axis = self._context.session.image.source, self._context.session.image.plane, self._axis()
        if source is None or plane is None or axis is None:
            return None
        try:
            return depth_axis(source, plane, axis)
        except UserError:
            return None


def _point(plane: Plane, position: Sequence[float]) -> Point:
    row, column = plane.from_data(tuple(float(at) for at in position))
    return Point(row, column)
