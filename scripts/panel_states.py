"""Bring the window into every state that a user can see, one after another."""

import time
from collections.abc import Callable, Iterator

import numpy as np
from napari import Viewer
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from unfinished_session import leave_unfinished

from napari_sam.demo.aim import aim_at_known
from napari_sam.demo.hand import Hand
from napari_sam.demo.play import sample_for_demo
from napari_sam.labels.paint import Collision
from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.geometry import Plane
from napari_sam.plugin.actions import Action
from napari_sam.plugin.segment_widget import SegmentWidget
from napari_sam.session.compute.engine import NetworkEngine, PlaneSegmenter
from napari_sam.session.notices import Notice, NoticeKind, Remedy
from napari_sam.session.propagation import DOUBTFUL
from napari_sam.session.record.log_folder import sessions_folder
from napari_sam.session.status import State

UNFINISHED = "/data/20261103_embryo4_nuclei_timelapse_overnight_position12_deconvolved.ome.tif"
"""The image of the session that is offered; a name as long as they are."""
SETTLING_MS = 400
"""The panel finds its layout once napari's style has reached it, and follows the slider with a delay."""


class HeldEngine(NetworkEngine):
    """The real engine, which waits where it is told to, so that what goes by in an instant can be drawn.

    Attributes
    ----------
    held
        What waits: "prepare", "segment" or "propagate"; "" for nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.held = ""

    def open(self, *what) -> PlaneSegmenter:
        segmenter = super().open(*what)
        prepare, segment = segmenter.prepare, segmenter.segment

        def held_prepare(*args, **kwargs) -> Iterator[tuple[int, int]]:
            yield 1, 4
            self._wait("prepare", args[3] if len(args) > 3 else kwargs.get("cancel"))
            yield from prepare(*args, **kwargs)

        def held_segment(*args, **kwargs):
            self._wait("segment", kwargs.get("cancel"))
            return segment(*args, **kwargs)

        segmenter.prepare, segmenter.segment = held_prepare, held_segment
        return segmenter

    def propagate(self, *args, cancel: CancelToken | None = None, **kwargs):
        for at, plane in enumerate(super().propagate(*args, cancel=cancel, **kwargs)):
            if at > 2:
                self._wait("propagate", cancel)
            yield plane

    def _wait(self, what: str, cancel: CancelToken | None) -> None:
        while self.held == what:
            time.sleep(0.02)
            if cancel is not None:
                cancel.check()


class States:
    """Goes from state to state.

    Parameters
    ----------
    save
        Told the name of each state while the window shows it.
    size
        Width and height of the window.
    """

    def __init__(self, save: Callable[[Viewer, str], None], size: tuple[int, int]) -> None:
        self._save = save
        self.source, self.known = sample_for_demo()
        self.stack = np.asarray(self.source.array(0))
        self.aim = aim_at_known(self.known, self.stack, self.source.scale)
        self.source.path = UNFINISHED
        leave_unfinished(self.source, sessions_folder(), 12)
        self.viewer = Viewer(title="napari")
        self.viewer.window.resize(*size)
        self.engine = HeldEngine()
        self.widget = SegmentWidget(self.viewer, engine=self.engine)
        self.viewer.window.add_dock_widget(self.widget, name="Segment", area="right")
        self.hand = Hand(self.viewer)

    def draw(self) -> None:
        """All of them."""
        try:
            for state in (
                self.unfinished,
                self.no_image,
                self.embedding,
                self.ready,
                self.candidates,
                self.segmenting,
                self.prompted,
                self.picking,
                self.refined,
                self.each_an_object,
                self.keyboard_cursor,
                self.propagating,
                self.propagated,
                self.question,
                self.three_d,
                self.error,
                self.notices,
                self.measured,
            ):
                state()
                self._show(state.__name__)
        finally:
            self.engine.held = ""
            self.viewer.close()

    def unfinished(self) -> None:
        """An earlier session ended in a crash."""
        self._until(lambda: self.widget.restoring.offer is not None)

    def no_image(self) -> None:
        """Nothing is there yet; the first start."""
        self.hand.press(self.widget.restore_row.later)

    def embedding(self) -> None:
        """The plane is being embedded."""
        self.engine.held = "prepare"
        self.image = self.viewer.add_image(
            self.stack, name="nuclei", scale=self.source.scale, units=self.source.units, axis_labels=("z", "y", "x")
        )
        self.viewer.dims.set_point(range(3), self._world(self.aim.row, self.aim.column))
        self._until(lambda: self._state is State.EMBEDDING and self.widget.session.image.plane == self.aim.plane)

    def ready(self) -> None:
        """It is embedded; the hint was dismissed."""
        self.engine.held = ""
        self.hand.press(self.widget.prompts.hint.dismiss_button)
        self._until(lambda: self._state is State.READY)

    def candidates(self) -> None:
        """A single click."""
        self.hand.click(self._world(self.aim.row, self.aim.column))
        self._until(lambda: self.widget.controller.candidates.answer is not None)

    def segmenting(self) -> None:
        """The answer to another click is on its way."""
        self.engine.held = "segment"
        self.hand.click(self._world(self.aim.row + 2, self.aim.column + 2))
        self._until(lambda: self._state is State.SEGMENTING)

    def prompted(self) -> None:
        """Clicks, a box and a scribble."""
        self.engine.held = ""
        masks = self.widget.session.current.draft.masks[self.aim.plane]
        row0, column0, row1, column1 = masks.box
        canvas = self.widget.controller.canvas
        corners = [np.asarray(self.aim.plane.to_data(*at)) for at in ((row0 - 3, column0 - 3), (row1 + 2, column1 + 2))]
        canvas.dragging(*corners)
        canvas.dragged(*corners)
        self._settle()
        canvas.scribbled([np.asarray(self.aim.plane.to_data(row1 + 6, column0 + at)) for at in range(0, 14, 2)], False)
        self._settle()

    def picking(self) -> None:
        """The next click picks a label."""
        self.hand.key(Qt.Key.Key_Escape)
        self.labels = self.viewer.add_labels(
            self.known.astype(np.uint16),
            name="known",
            scale=self.source.scale,
            units=self.source.units,
            axis_labels=("z", "y", "x"),
            opacity=0.3,
        )
        self.hand.press(self.widget.prompts.draw)
        self.hand.press(self.widget.buttons[Action.PICK])

    def refined(self) -> None:
        """A label was picked and refined."""
        self.hand.click(self._world(self.aim.row, self.aim.column))
        self._until(lambda: bool(self.widget.session.current.draft.masks))
        self._settle()

    def each_an_object(self) -> None:
        """All labels of the plane are being refined."""
        self.hand.key(Qt.Key.Key_Escape)
        source = self.widget.prompts.source.layer
        source.setCurrentIndex(source.findText("known"))
        self.widget.controller.do(Action.EACH)
        self._until(lambda: self.widget.session.status.done >= 3 or not self.widget.session.batch.active)
        self.engine.held = "segment"

    def keyboard_cursor(self) -> None:
        """The cross, and the objects that were accepted together."""
        self.engine.held = ""
        self._settle()
        self.labels.visible = False
        source = self.widget.prompts.source.layer
        source.setCurrentIndex(0)
        self.hand.press(self.widget.prompts.draw)
        self.hand.key(Qt.Key.Key_J)

    def propagating(self) -> None:
        """An object is on its way through the stack."""
        self.hand.key(Qt.Key.Key_J)
        self.widget.controller.do(Action.UNDO)
        self.hand.click(self._world(self.aim.row, self.aim.column))
        self._settle()
        self.engine.held = "propagate"
        self.hand.key(Qt.Key.Key_G)
        self._until(lambda: len(self.widget.session.current.draft.proposal) >= 2)

    def propagated(self) -> None:
        """It went through, doubtful planes included."""
        self.engine.held = ""
        self._until(lambda: not self.widget.session.volume.active)
        self._settle()
        proposal = self.widget.session.current.draft.proposal
        doubtful = [plane for plane, reached in proposal.items() if reached.confidence < DOUBTFUL and reached.mask]
        self._look_at((doubtful or list(proposal))[0])

    def question(self) -> None:
        """It meets other labels."""
        self._look_at(self.aim.plane)
        target = self.widget.controller.target_layer
        mask = self.widget.session.current.draft.masks[self.aim.plane]
        row, column = mask.box[0] + 3, mask.box[1] + 3
        target.data[self.aim.plane.index[0], row : row + 12, column : column + 12] = 77
        target.data[self.aim.plane.index[0], row + 14 : row + 20, column : column + 12] = 78
        target.refresh()
        self.widget.object.collision.choices[Collision.ASK].setChecked(True)
        self.hand.key(Qt.Key.Key_Return)

    def three_d(self) -> None:
        """There is no plane in view."""
        self.hand.key(Qt.Key.Key_Escape)
        self.viewer.dims.ndisplay = 3
        self._until(lambda: self._state is State.NO_PLANE)

    def error(self) -> None:
        """A model cannot be loaded."""
        self.viewer.dims.ndisplay = 2
        self._until(lambda: self._state is not State.NO_PLANE)
        self.widget.session.model.choose("my-model.pth")
        self._until(lambda: self._state is State.ERROR)

    def notices(self) -> None:
        """What is not as it should be, as long as it is so."""
        show, remedy = self.widget.session.notices.show, "Nothing: this is only shown."
        show(
            NoticeKind.AUTOSAVE,
            Notice(
                "Autosave is off (/data/sessions: No space left on device): what you do now is lost if napari stops. "
                "Save often, or make room: then it goes on by itself, with all that was done.",
                (Remedy("Another folder…", remedy, bool), Remedy("Try again", remedy, bool)),
            ),
        )
        show(
            NoticeKind.LABELS,
            Notice(
                "'objects' is full: labels of type uint8 hold ids up to 255. Widen them to go on, or choose new ones.",
                (Remedy("Widen to uint16", remedy, bool),),
            ),
        )
        show(
            NoticeKind.AXES,
            Notice("From the file, as the layer has none and stays as it is: axes z, y, x.", grave=False),
        )

    def measured(self) -> None:
        """The table and the plot of measurements."""
        self.labels.visible = True
        self.widget.controller.choose_target(self.labels)
        self.widget.measure()
        self._until(lambda: self.widget.measurements.model.rowCount() > 0)
        self.widget.measurements.view.selectRow(2)

    def _look_at(self, plane: Plane) -> None:
        self.viewer.dims.set_point(range(3), self.image.data_to_world(plane.to_data(self.aim.row, self.aim.column)))
        self._until(lambda: self.widget.session.image.plane == plane)
        self._settle()

    @property
    def _state(self) -> State:
        return self.widget.session.status.state

    def _settle(self) -> None:
        self.hand.wait_until(lambda: not self.widget.session.status.working, "the session", steady=0.4)

    def _until(self, ready: Callable[[], bool]) -> None:
        self.hand.wait_until(ready, "a state")

    def _world(self, row: float, column: float) -> tuple[float, ...]:
        return tuple(self.image.data_to_world(self.aim.plane.to_data(row, column)))

    def _show(self, name: str) -> None:
        QTest.qWait(SETTLING_MS)
        self._save(self.viewer, name.replace("_", "-"))
