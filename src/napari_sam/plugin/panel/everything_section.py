"""The section about everything on a plane: where to look, what is wanted, and what becomes of it."""

import math
from dataclasses import replace

from qtpy.QtCore import Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QSlider, QWidget

from napari_sam.discover.proposals import Proposals
from napari_sam.discover.volume_proposals import VolumeProposals
from napari_sam.planes.units import in_centimeters, unit_symbol
from napari_sam.plugin.actions import CONTROLS, Action
from napari_sam.plugin.controller import SegmentController
from napari_sam.plugin.layers.regions import Where
from napari_sam.plugin.panel.icons import Icon, IconButton
from napari_sam.plugin.panel.object_section import as_share
from napari_sam.plugin.panel.section import Section
from napari_sam.plugin.panel.widgets import SPACING, RoomKeeper, action_button, button, combo, row, tip_with_key
from napari_sam.session.status import State, Status

STEPS = 200
"""Steps of a slider of sizes, each a little larger than the one before by the same share."""
DIAMETERS = (4.0, 512.0)
"""Sizes to choose from while nothing is proposed, in pixels."""


class PanelSlider(QSlider):
    """A slider that the Tab key reaches and a click does not, and that the wheel turns only while it has the keyboard.

    Parameters
    ----------
    name
        What it is about.
    tip
        The tooltip.
    steps
        How many steps it has.
    """

    def __init__(self, name: str, tip: str, steps: int) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setRange(0, steps)
        self.setPageStep(max(steps // 10, 1))
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAccessibleName(name)
        self.setToolTip(tip)

    def wheelEvent(self, event: QWheelEvent | None) -> None:  # noqa: N802
        """Leave the wheel to what scrolls."""
        if event is not None and not self.hasFocus():
            event.ignore()
        else:
            super().wheelEvent(event)


class SizeScale:
    """The scale between steps of a slider and diameters in pixels, and how these are told.

    Parameters
    ----------
    smallest, largest
        Diameters at the ends.
    pixel, unit
        Size of a pixel, and its unit.
    """

    def __init__(self, smallest: float, largest: float, pixel: float = 1.0, unit: str = "px") -> None:
        self._low = math.log(max(smallest, 0.5))
        self._span = max(math.log(max(largest, 1.0)) - self._low, 1e-3)
        self._pixel, self._unit = pixel, unit

    def diameter(self, step: int) -> float:
        """Return the diameter at a step."""
        return math.exp(self._low + self._span * step / STEPS)

    def step(self, diameter: float) -> int:
        """Return the step that is nearest to a diameter."""
        if diameter <= 0:
            return 0
        share = (math.log(diameter) - self._low) / self._span if math.isfinite(diameter) else 1.0
        return round(min(max(share, 0.0), 1.0) * STEPS)

    def text(self, diameter: float) -> str:
        """Write a diameter, which may be no bound at all."""
        if not 0 < diameter < math.inf:
            return "any"
        return f"{diameter * self._pixel:.3g} {self._unit}"


class EverythingSection(Section):
    """The section about everything on a plane.

    Parameters
    ----------
    controller
        Whose plane.
    """

    def __init__(self, controller: SegmentController) -> None:
        super().__init__("everything", "Everything", opened=False)
        self._controller = controller
        self._session = controller.session
        self._filling = False
        self._scale = SizeScale(*DIAMETERS)
        self._scaled: tuple[int, bool, Proposals | VolumeProposals | None] | None = None
        self.where = combo()
        self.where.setAccessibleName("Where to look")
        self.where.setToolTip(
            "The plane in view, what of it is visible, or a rectangle that is selected in a Shapes layer: only objects "
            "whose middle lies there. Or the whole stack along the axis, and in the planes, of the section Stack: then "
            "objects are linked from plane to plane."
        )
        for each in Where:
            self.where.addItem(str(each), each)
        find = CONTROLS[Action.FIND]
        self.find_button = IconButton(
            Icon.EVERYTHING, find.text, f"{find.text} [{find.shown}]", tip_with_key(find.tip, find.shown)
        )
        self.buttons: dict[Action, QPushButton] = {
            Action.FIND: self.find_button,
            Action.FIND_ALIKE: action_button(Action.FIND_ALIKE),
            Action.ACCEPT_FOUND: action_button(Action.ACCEPT_FOUND, "\n"),
            Action.DISCARD_FOUND: action_button(Action.DISCARD_FOUND, "\n"),
        }
        self.cancel = action_button(Action.CANCEL)
        self.cancel.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Expanding)
        self.confidence = PanelSlider("Least confidence", "How sure the model is to be of an object.", 100)
        self.alike = PanelSlider(
            "Least likeness", "How likely it is to be an object like those that others are to be like.", 100
        )
        size = "Diameter of the disc, in a stack of the ball, that is as large as the object."
        self.smallest = PanelSlider("Smallest diameter", f"Smaller objects are left out. {size}", STEPS)
        self.largest = PanelSlider("Largest diameter", f"Larger objects are left out. {size}", STEPS)
        self.overlap = PanelSlider(
            "Overlap allowed",
            "Share of the smaller one that two objects may have in common; beyond it, one of them goes.",
            100,
        )
        self.sliders = (self.confidence, self.smallest, self.largest, self.overlap)
        self.values = [QLabel() for _ in self.sliders]
        self.alike_value = QLabel()
        self.count = QLabel()
        self.count.setWordWrap(True)
        self._room = RoomKeeper(self.count, 2, self.count.setFixedHeight)
        finding = QHBoxLayout()
        finding.setSpacing(SPACING)
        finding.addWidget(self.find_button, 1)
        finding.addWidget(self.cancel)
        self.add_row(self.where)
        self.add_row(finding)
        self.add_row(self.buttons[Action.FIND_ALIKE])
        self.add_row(self._sliders())
        self.add_row(self.count)
        self.add_row(row(self.buttons[Action.ACCEPT_FOUND], self.buttons[Action.DISCARD_FOUND]))
        self.folder_button = button(
            "Do this to a folder…",
            "",
            "Show what was found last, as it is wanted now, as a recipe, and do it to a folder of images.",
        )
        self.add_row(self.folder_button)
        self.where.currentIndexChanged.connect(self._choose_where)
        self.cancel.clicked.connect(lambda: controller.do(Action.CANCEL))
        self.confidence.valueChanged.connect(lambda at: self._want(confidence=at / 100))
        self.alike.valueChanged.connect(lambda at: self._want(likeness=at / 100))
        self.overlap.valueChanged.connect(lambda at: self._want(overlap=at / 100))
        # The ends are no bounds.
        self.smallest.valueChanged.connect(lambda at: self._want(smallest=self._scale.diameter(at) if at else 0.0))
        self.largest.valueChanged.connect(
            lambda at: self._want(largest=self._scale.diameter(at) if at < STEPS else math.inf)
        )
        self.fill()

    def fill(self) -> None:
        """Show what is wanted, on a scale of what is proposed, and how many objects that are."""
        self._fill_scale()
        wanted = self._session.everything.wanted
        self._filling = True
        try:
            self.confidence.setValue(round(100 * wanted.confidence))
            self.alike.setValue(round(100 * wanted.likeness))
            self.overlap.setValue(round(100 * wanted.overlap))
            self.smallest.setValue(self._scale.step(wanted.smallest))
            self.largest.setValue(self._scale.step(wanted.largest))
        finally:
            self._filling = False
        texts = (
            as_share(wanted.confidence),
            self._scale.text(wanted.smallest),
            self._scale.text(wanted.largest),
            f"{wanted.overlap:.0%}",
        )
        for slider, value, text in zip(self.sliders, self.values, texts, strict=True):
            value.setText(text)
            slider.setAccessibleDescription(text)
        self.alike_value.setText(as_share(wanted.likeness))
        self.alike.setAccessibleDescription(self.alike_value.text())
        proposals = self._session.everything.proposals
        alike = isinstance(proposals, Proposals) and proposals.likeness is not None
        for each in self._alike_row:
            each.setVisible(alike)
        for each in self._confidence_row:
            each.setVisible(not alike)
        self._show_count()

    def show_status(self, status: Status) -> None:
        """Say what can be done in this state."""
        everything, busy = self._session.everything, self._session.batch.active
        in_view = status.state not in (State.NO_IMAGE, State.NO_PLANE)
        self.find_button.setEnabled(in_view and not everything.active and not busy)
        self.buttons[Action.FIND_ALIKE].setEnabled(
            in_view
            and not everything.active
            and not busy
            and (len(self._session.objects) > 0 or everything.kind is not None)
        )
        self.cancel.setEnabled(everything.active)
        self.buttons[Action.ACCEPT_FOUND].setEnabled(bool(everything.chosen) and not busy)
        self.buttons[Action.DISCARD_FOUND].setEnabled(everything.proposals is not None and not busy)
        self.folder_button.setEnabled(everything.search is not None)
        self._show_count()

    def _sliders(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(2 * SPACING)
        grid.setVerticalSpacing(2)
        # Of the first two one is seen at a time: what was found by examples is chosen by its likeness.
        rows = zip(
            (0, 0, 1, 2, 3),
            ("How alike", "Confidence", "Smallest", "Largest", "Overlap"),
            (self.alike, *self.sliders),
            (self.alike_value, *self.values),
            strict=True,
        )
        found: list[tuple[QWidget, ...]] = []
        for at, name, slider, value in rows:
            label = QLabel(name)
            label.setBuddy(slider)
            value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            # So wide that nothing moves while a slider does.
            value.setMinimumWidth(value.fontMetrics().horizontalAdvance("00.00 µm"))
            for column, each in enumerate((label, slider, value)):
                grid.addWidget(each, at, column)
            found.append((label, slider, value))
        self._alike_row, self._confidence_row = found[:2]
        grid.setColumnStretch(1, 1)
        return grid

    def _fill_scale(self) -> None:
        """Have the sliders of sizes span the objects that are proposed, and tell the image's unit."""
        source, proposals = self._session.image.source, self._session.everything.proposals
        about = self._session.image.number, source is None, proposals
        if self._scaled == about:
            return
        self._scaled = about
        ends = [*DIAMETERS] if proposals is None else proposals.diameters.tolist()
        pixel, unit = 1.0, "px"
        plane = self._session.everything.plane or self._session.image.plane
        if source is not None and plane is not None and source.scale is not None and source.units is not None:
            units = {unit_symbol(source.units[axis]) for axis in plane.axes}
            if len(units) == 1 and in_centimeters(next(iter(units))) is not None:
                # Diameters count pixels of the finer axis.
                pixel, unit = min(abs(source.scale[axis]) for axis in plane.axes), next(iter(units))
        self._scale = SizeScale(min(ends), max(ends), pixel, unit)

    def _show_count(self) -> None:
        everything = self._session.everything
        if everything.proposals is None:
            text = "Looking…" if everything.active else "Nothing is proposed yet."
        else:
            chosen = len(everything.chosen)
            text = f"{chosen} of {everything.most} proposed"
            dropped = len(everything.selected) - chosen
            if dropped:
                text += f", {dropped} clicked away"
            plane, seen = everything.plane, self._session.image.plane
            in_view = seen is not None and everything.covers(seen)
            if plane is not None and not in_view:
                across = [axis for axis in range(plane.ndim) if axis not in plane.axes]
                where = ", ".join(str(plane.index[axis]) for axis in across)
                text += f", on plane {where}" if where else ""
            text += ". Click one to drop or keep it." if in_view else "."
        if text != self.count.text():
            self.count.setText(text)

    def _choose_where(self, at: int) -> None:
        self._controller.everything_where = self.where.itemData(at)

    def _want(self, **changes: float) -> None:
        if not self._filling:
            everything = self._session.everything
            everything.wanted = replace(everything.wanted, **changes)
            if everything.proposals is None:
                # Nobody else tells.
                self.fill()
