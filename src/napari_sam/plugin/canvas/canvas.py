"""The canvas, which turns gestures on it, and where the pointer rests, into prompts."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer
from skimage.measure import approximate_polygon

from napari_sam.errors import UserError
from napari_sam.plugin.canvas.split_clicks import SplitClicks
from napari_sam.plugin.layers.label_obstacles import check_writable
from napari_sam.plugin.layers.label_picking import LabelPicking
from napari_sam.plugin.layers.plugin_layers import PluginLayers
from napari_sam.plugin.layers.proposal_layer import ProposalLayer
from napari_sam.plugin.layers.target_layers import LayerTarget
from napari_sam.plugin.layers.view import View
from napari_sam.plugin.layers.viewer_context import ViewerContext
from napari_sam.prompts.prompt import Box, Point, Scribble

REST_MS = 60
"""A pointer that has been so long in about one place rests there: less than a hand takes before it clicks.

The longer, the sooner a first click is answered: after 30, 60 and 100 ms of rest in 143, 100 and 67 ms, 148 without
(docs/log-of-measurements.md, "where the pointer rests").
"""

STILL_PIXELS = 3
"""Screen pixels within which a pointer is in about one place (chosen, not measured)."""


class PointerRest(QObject):
    """A timer that has something done once the pointer rests.

    Parameters
    ----------
    parent
        Whose object it is.
    milliseconds
        How long the pointer is to stay.
    """

    def __init__(self, parent: QObject, milliseconds: int = REST_MS) -> None:
        super().__init__(parent)
        self._since: NDArray[np.float64] = np.zeros(2)
        self._then: Callable[[], None] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(milliseconds)
        self._timer.timeout.connect(self._rests)

    def moved(self, pixel: NDArray[np.float64], then: Callable[[], None]) -> None:
        """Note that the pointer is at a pixel of the canvas; call `then` if it stays, or as good as stays."""
        self._then = then
        if not self._timer.isActive() or float(np.abs(pixel - self._since).max()) > STILL_PIXELS:
            self._since = pixel
            self._timer.start()

    def over(self) -> None:
        """Call nothing any more: a button was pressed, or the pointer is gone."""
        self._timer.stop()
        self._then = None

    def _rests(self) -> None:
        then, self._then = self._then, None
        if then is not None:
            then()


STROKE_TOLERANCE = 1.0
"""Screen pixels by which a scribble may be straightened (chosen: nothing that is seen)."""

Position = NDArray[np.float64]
"""Data coordinates of the clicks layer, which are the image's."""


class Rest(Protocol):
    """An observer that notices where the pointer rests."""

    def moved(self, pixel: Position, then: Callable[[], None]) -> None:
        """Note that the pointer is at a pixel of the canvas; call `then` if it rests there."""
        ...

    def over(self) -> None:
        """Note that the pointer rests no longer."""
        ...


class NoRest:
    """A `Rest` of a pointer that never rests."""

    def moved(self, pixel: Position, then: Callable[[], None]) -> None:
        """Do nothing: nothing follows."""

    def over(self) -> None:
        """Do nothing: nothing was to follow."""


class Canvas:
    """A `GestureTarget`: what is clicked, dragged and scribbled becomes prompts; what makes no sense is told.

    Parameters
    ----------
    context
        The viewer and the session.
    picking
        Takes the click where a label is to be picked.
    follow_view
        Tells the session what is in view.
    read_prompts
        Tells the session what the prompt layers say.
    cycle
        Goes to the next candidate, or the one before.
    soon
        Gives the answer to a gesture a moment to arrive, so that both are drawn at once.
    rest
        Notices where the pointer rests.
    proposals
        What is proposed of everything: a click on one of these drops or keeps it.
    splitting
        Takes all gestures while an object is being split.
    """

    def __init__(
        self,
        context: ViewerContext,
        picking: LabelPicking,
        follow_view: Callable[[], None],
        read_prompts: Callable[[], None],
        cycle: Callable[[int], None],
        soon: Callable[[], None],
        rest: Rest,
        proposals: ProposalLayer,
        splitting: SplitClicks,
    ) -> None:
        self._context = context
        self._proposals = proposals
        self._splitting = splitting
        self._picking = picking
        self._follow_view = follow_view
        self._read_prompts = read_prompts
        self._cycle = cycle
        self._soon = soon
        self._rest = rest
        self._scribbling = False

    def hovered(self, position: Position, pixel: Position) -> None:
        """Begin the answer to a click where the pointer, which moved, rests."""
        if self._splitting.active:
            return
        self._rest.moved(pixel, lambda: self._try_quietly(lambda: self._suppose_click(position)))

    def pressed(self, position: Position, positive: bool) -> None:
        """Begin the answer to a click while the button, which was pressed, is held."""
        self._rest.over()
        if self._splitting.active:
            return
        if not self._picking.active and self._proposals.under(position) is None:
            self._try_quietly(lambda: self._expect_click(position, positive))

    def clicked(self, position: Position, positive: bool) -> None:
        """Take a click, adding or excluding - or picking a label, when asked to, or dropping what is proposed there."""
        self._context.tell("")
        if self._picking.active:
            self._picking.stop()
            self._context.try_to(lambda: self._picking.pick_at(self._context.world(position)))
        elif self._splitting.active:
            self._context.try_to(lambda: self._splitting.click(position))
        elif (proposed := self._proposals.under(position)) is not None:
            self._context.session.everything.toggle(proposed)
        else:
            self._context.try_to(lambda: self._add_click(position, positive))
            self._soon()

    def dragging(self, start: Position, end: Position) -> None:
        """Show a box that is being dragged."""
        if self._splitting.active:
            return
        self._context.session.prompts.expect_nothing()
        self._try_quietly(lambda: self._show_box(start, end))

    def dragged(self, start: Position, end: Position) -> None:
        """Take a box that was dragged."""
        self._context.tell("")
        if self._splitting.active:
            self._context.try_to(lambda: self._splitting.click(start))
            return
        self._context.try_to(lambda: self._drop_box(start, end))
        self._soon()

    def scribbling(self, path: Sequence[Position], positive: bool) -> None:
        """Show a scribble that is being drawn."""
        if self._splitting.active:
            return
        self._context.session.prompts.expect_nothing()
        self._try_quietly(lambda: self._show_scribble(path, positive))

    def scribbled(self, path: Sequence[Position], positive: bool) -> None:
        """Take a scribble that was drawn."""
        self._context.tell("")
        if self._splitting.active:
            self._context.try_to(lambda: self._splitting.click(path[0]))
            return
        self._context.try_to(lambda: self._drop_scribble(path, positive))
        self._soon()

    def scrolled(self, step: int) -> None:
        """Take a turn of the wheel while Shift was held."""
        self._context.tell("")
        self._context.try_to(lambda: self._cycle(step))

    def _try_quietly(self, deed: Callable[[], None]) -> None:
        """Do a deed without what is said when a gesture ends, which need not be said at every step of it."""
        try:
            deed()
        except UserError:
            return

    def _suppose_click(self, position: Position) -> None:
        _, view = self._where()
        row, column = view.plane.from_data(tuple(position))
        if self._proposals.under(position) is not None:
            return
        if not self._picking.active and self._reaches(view, np.asarray([(row, column)])):
            self._context.session.prompts.suppose_point(view.plane, Point(row, column))

    def _expect_click(self, position: Position, positive: bool) -> None:
        _, view = self._where()
        row, column = view.plane.from_data(tuple(position))
        if self._reaches(view, np.asarray([(row, column)])):
            self._follow_view()
            self._context.session.prompts.expect_point(view.plane, Point(row, column, positive))

    def _add_click(self, position: Position, positive: bool) -> None:
        own, view = self._where()
        row, column = view.plane.from_data(tuple(position))
        if not self._reaches(view, np.asarray([(row, column)])):
            raise UserError("That click is outside the image: click inside it.")
        self._follow_view()
        own.prompts.add_point(view.plane, Point(row, column, positive))
        self._warn()

    def _show_box(self, start: Position, end: Position) -> None:
        own, view = self._where()
        corners = np.asarray([view.plane.from_data(tuple(start)), view.plane.from_data(tuple(end))])
        if not self._reaches(view, corners):
            raise UserError("That box is outside the image: draw it around an object inside.")
        (row0, column0), (row1, column1) = corners.tolist()
        own.prompts.show_box(view.plane, Box.within(row0, column0, row1, column1).clipped(self._shape(view)))

    def _drop_box(self, start: Position, end: Position) -> None:
        self._show_box(start, end)
        self._follow_view()
        self._read_prompts()
        self._warn()

    def _show_scribble(self, path: Sequence[Position], positive: bool) -> None:
        own, view = self._where()
        vertices = np.asarray([view.plane.from_data(tuple(at)) for at in path])
        if not self._reaches(view, vertices):
            raise UserError("That scribble is outside the image: draw it along an object inside.")
        tolerance = STROKE_TOLERANCE * self._context.screen_pixel
        smooth = approximate_polygon(self._clipped(view, vertices), tolerance)  # type: ignore[no-untyped-call]
        scribble = Scribble(tuple((float(row), float(column)) for row, column in smooth), positive)
        own.prompts.show_scribble(view.plane, scribble, instead=self._scribbling)
        self._scribbling = True

    def _drop_scribble(self, path: Sequence[Position], positive: bool) -> None:
        try:
            self._show_scribble(path, positive)
        finally:
            self._scribbling = False
        self._follow_view()
        self._read_prompts()
        self._warn()

    def _where(self) -> tuple[PluginLayers, View]:
        image, own, view = self._context.in_view()
        if not image.visible:
            raise UserError(f"'{image.name}' is hidden: show it, or choose another image.")
        return own, view

    def _warn(self) -> None:
        """Say at once what will stand in the way of accepting."""
        target = self._context.session.labels.target
        if isinstance(target, LayerTarget):
            self._context.try_to(lambda: check_writable(target.layer))

    def _shape(self, view: View) -> tuple[int, int]:
        source = self._context.session.image.source
        assert source is not None
        return view.plane.shape(source.shape)

    def _limits(self, view: View) -> NDArray[np.float64]:
        return np.asarray(self._shape(view), float) - 0.5

    def _reaches(self, view: View, positions: NDArray[np.float64]) -> bool:
        """Tell whether the box around some positions meets the plane."""
        inside = (positions.max(axis=0) >= -0.5) & (positions.min(axis=0) <= self._limits(view))
        return bool(inside.all())

    def _clipped(self, view: View, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        clipped: NDArray[np.float64] = np.clip(positions, -0.5, self._limits(view))
        return clipped
