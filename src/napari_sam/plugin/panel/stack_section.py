"""The section about carrying the object through the stack."""

from magicgui.widgets import ComboBox, Container, Label, SpinBox, Widget

from napari_sam.plugin.actions import Action
from napari_sam.plugin.controller import SegmentController
from napari_sam.plugin.panel.plane_strip import PlaneStrip, StripState
from napari_sam.plugin.panel.section import Section
from napari_sam.plugin.panel.widgets import SPACING, action_button, row
from napari_sam.session.status import State, Status

VIEWS = {"as suits the image": None, "in three views": True, "along the axis only": False}
"""How objects are seen, as the form names it, and whether three views vote."""


class RangeForm:
    """A form of where objects are carried to: the axis, and the first and the last plane.

    Parameters
    ----------
    controller
        Whose objects; it is told of what is chosen.

    Attributes
    ----------
    axis, first, last, views
        The fields.
    fields : Container
        All of them, with their names.
    """

    def __init__(self, controller: SegmentController) -> None:
        self._controller = controller
        self._session = controller.session
        self._filling = False
        self._range: tuple[int, int | None, int] | None = None
        self.axis = ComboBox(label="Along", choices=(), tooltip="The axis that objects are carried along, both ways.")
        bound = "Objects are carried no farther than from the first to the last of these planes."
        self.first = SpinBox(min=0, max=0, tooltip=bound)
        self.last = SpinBox(min=0, max=0, tooltip=bound)
        both: list[Widget] = [self.first, Label(value="to"), self.last]
        planes = Container(layout="horizontal", labels=False, label="Planes", widgets=both)
        self.views = ComboBox(
            label="Seen",
            choices=list(VIEWS),
            tooltip="In three views an object is carried along rows and columns as well, and the three vote on each "
            "voxel: better ends, and two to four times the time.",
        )
        self.fields = Container(widgets=[self.axis, planes, self.views])
        for each in (self.fields, planes):
            each.margins = (0, 0, 0, 0)
            each.native.layout().setSpacing(SPACING)
        for plane in (self.first, self.last):
            # napari's style has room for ten digits.
            plane.native.setStyleSheet("min-width: 40px")
        names = ("Along", "First plane", "Last plane", "Seen")
        for field, name in zip((self.axis, self.first, self.last, self.views), names, strict=True):
            field.native.setAccessibleName(name)
        self.axis.changed.connect(self._choose_axis)
        self.views.changed.connect(self._choose_views)
        self.first.changed.connect(self._choose_planes)
        self.last.changed.connect(self._choose_planes)

    def fill(self) -> None:
        """Offer the axes and planes of the image, if they are others; what was chosen there stays chosen."""
        axes = self._controller.propagation_axes
        if {axis: name for name, axis in self._offered()} != axes:
            self._filling = True
            try:
                self.axis.choices = [(name, axis) for axis, name in axes.items()]
                if self._controller.propagation_axis in axes:
                    self.axis.value = self._controller.propagation_axis
                elif axes:
                    self.axis.value = next(iter(axes))
            finally:
                self._filling = False
        self.axis.enabled = bool(axes)
        self._fill_planes()

    def _offered(self) -> list[tuple[str, int]]:
        combo = self.axis.native
        return [
            (combo.itemText(at), combo.itemData(at)) for at in range(combo.count()) if combo.itemData(at) is not None
        ]

    def _fill_planes(self) -> None:
        source, axis = self._session.image.source, self.axis.value
        length = 1 if source is None or axis is None else source.shape[axis]
        for field in (self.first, self.last):
            field.enabled = length > 1
        # Another image, or another axis, has other planes.
        if self._range == (self._session.image.number, axis, length):
            return
        self._range = self._session.image.number, axis, length
        self._filling = True
        try:
            for field, value in ((self.first, 0), (self.last, length - 1)):
                field.max = length - 1
                field.value = value
        finally:
            self._filling = False
        self._tell_planes()

    def _choose_axis(self, axis: int | None) -> None:
        if not self._filling:
            self._controller.propagation_axis = axis
            self._fill_planes()

    def _choose_views(self, views: str) -> None:
        self._controller.propagation_views = VIEWS[views]

    def _choose_planes(self) -> None:
        if self._filling:
            return
        if self.first.value > self.last.value:
            self.last.value = self.first.value
        self._tell_planes()

    def _tell_planes(self) -> None:
        last = self.last.max
        self._controller.propagation_planes = (
            self.first.value or None,
            self.last.value if self.last.value < last else None,
        )


class StackSection(Section):
    """The section about propagating: where to, and along which axis.

    Parameters
    ----------
    controller
        Whose object.
    """

    def __init__(self, controller: SegmentController) -> None:
        super().__init__("stack", "Stack")
        self._controller = controller
        self._session = controller.session
        actions = (Action.PROPAGATE, Action.PROPAGATE_ALL, Action.CANCEL)
        self.buttons = {action: action_button(action) for action in actions}
        # Beside the strip, and as tall: it takes no height of its own.
        self.buttons[Action.NEXT_DOUBTFUL] = action_button(Action.NEXT_DOUBTFUL, "\n")
        self.range = RangeForm(controller)
        self.strip = PlaneStrip(self._go_to)
        self.add_row(self.range.fields.native)
        self.add_row(row(self.buttons[Action.PROPAGATE], self.buttons[Action.CANCEL]))
        self.add_row(row(self.buttons[Action.PROPAGATE_ALL]))
        planes = row(self.strip)
        planes.addWidget(self.buttons[Action.NEXT_DOUBTFUL])
        self.add_row(planes)

    def fill(self) -> None:
        """Offer the axes and planes of the image, and show which one is in view."""
        self.range.fill()
        self.show_planes()

    def show_planes(self) -> None:
        """Show on the strip where the object in work is."""
        source, axis, view = self._session.image.source, self.range.axis.value, self._controller.view
        if source is None or axis is None or view is None or axis in view.plane.axes:
            self.strip.show_state(StripState())
            return
        line = {view.plane.at(axis, position): position for position in range(source.shape[axis])}
        draft = self._session.current.draft
        confidences = tuple(
            (line[plane], each.confidence)
            for plane, each in draft.proposal.items()
            if plane in line and plane not in draft.requests and each.mask is not None
        )
        keys = tuple(line[plane] for plane in draft.key_masks if plane in line)
        self.strip.show_state(StripState(len(line), view.plane.index[axis], confidences, keys))

    def _go_to(self, position: int) -> None:
        self._controller.show_plane(self.range.axis.value, position)

    def show_status(self, status: Status) -> None:
        """Say what can be done in this state."""
        session, draft = self._session, self._session.current.draft
        has_masks = bool(draft.masks) or bool(draft.in_flight)
        in_view = status.state not in (State.NO_IMAGE, State.NO_PLANE)
        self.buttons[Action.PROPAGATE].setEnabled(
            has_masks and in_view and not session.volume.active and self.range.axis.value is not None
        )
        self.buttons[Action.PROPAGATE_ALL].setEnabled(
            in_view
            and not (session.volume.active or session.batch.active)
            and len(session.objects) > 0
            and self.range.axis.value is not None
        )
        self.buttons[Action.NEXT_DOUBTFUL].setEnabled(in_view and self.range.axis.value is not None)
        self.show_planes()
        self.buttons[Action.CANCEL].setEnabled(session.volume.active or session.batch.active)
