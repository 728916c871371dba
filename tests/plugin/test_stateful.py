"""Layers and session agree after whatever is done in the viewer, and undo goes back through exactly those states."""

import numpy as np
from fake_engine import FakeEngine
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from napari.components import ViewerModel
from plugin_bench import Bench, blobs

from napari_sam.errors import UserError
from napari_sam.plugin.actions import Action

rows, columns = st.sampled_from([2, 12, 14, 28, 30]), st.sampled_from([3, 12, 15, 34, 36])
depths = st.integers(2, 5)
picks = st.integers(0, 5)


class Viewing(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        viewer = ViewerModel()
        viewer.add_image(blobs(), name="cells", scale=(2.0, 1.0, 1.0))
        self.bench = Bench(viewer, FakeEngine(ambiguous=True))
        self.bench.controller.images.choose_first()
        self.bench.settle()
        self.layer = viewer.add_labels(np.zeros((9, 40, 50), np.uint16), scale=(2.0, 1.0, 1.0))
        self.bench.controller.choose_target(self.layer)
        self.bench.settle()
        self.states = {(): self.what_is()}

    def teardown(self) -> None:
        if not hasattr(self, "bench"):
            return
        end, times = self.what_is(), 0
        while self.session.history.journal.can_undo:
            self.do(Action.UNDO)
            self.look()
            times += 1
        assert self.what_is() == self.states[()]
        for _ in range(times):
            self.do(Action.REDO)
        assert self.what_is() == end
        assert self.bench.controller.close(keep_layers=True)

    @property
    def session(self):
        return self.bench.session

    def do(self, action: Action) -> None:
        self.bench.controller.do(action)
        self.bench.settle()

    def what_is(self) -> dict:
        """What the user sees."""
        points = zip(self.bench.points.data.tolist(), self.bench.points.features["polarity"], strict=True)
        return {
            "labels": self.layer.data.tobytes(),
            "points": sorted((tuple(position), str(polarity)) for position, polarity in points),
            "boxes": sorted(np.asarray(corners).tolist() for corners in self.bench.shapes.data),
            "preview": self.bench.shown().tobytes(),
            "table": repr([self.session.objects.row(label) for label in self.session.objects.labels]),
            "id": self.session.current.label,
        }

    @rule(z=depths, row=rows, column=columns, positive=st.booleans())
    def click(self, z, row, column, positive) -> None:
        self.bench.scroll(0, z)
        self.bench.click(z, row, column, positive=positive)

    @rule(row=rows, column=columns)
    def drag_a_box(self, row, column) -> None:
        z = self.session.image.plane.index[0]
        self.bench.controller.canvas.dragged(
            np.array([z, row, column], float), np.array([z, row + 9, column + 9], float)
        )
        self.bench.settle()

    @precondition(lambda self: len(self.bench.points.data))
    @rule(pick=picks, row=rows, column=columns)
    def move_a_point(self, pick, row, column) -> None:
        data = self.bench.points.data.copy()
        data[pick % len(data), 1:] = row, column
        self.bench.points.data = data
        self.bench.settle()

    @precondition(lambda self: len(self.bench.points.data))
    @rule(pick=picks)
    def delete_a_point(self, pick) -> None:
        self.bench.points.selected_data = {pick % len(self.bench.points.data)}
        self.bench.points.remove_selected()
        self.bench.settle()

    @rule(z=depths, row=rows, column=columns, label=st.integers(0, 5), fill=st.booleans())
    def paint(self, z, row, column, label, fill) -> None:
        self.bench.scroll(0, z)
        if fill:
            self.layer.fill((z, row, column), label)
        else:
            self.layer.brush_size = 6
            with self.layer.block_history():
                self.layer.paint((z, row, column), label)
                self.layer.paint((z, row, column + 2), label)

    @rule(
        action=st.sampled_from(
            [Action.ACCEPT, Action.ACCEPT, Action.REJECT, Action.CANDIDATE, Action.PROPAGATE, Action.REMOVE_LAST]
        )
    )
    def act(self, action) -> None:
        self.do(action)

    @precondition(lambda self: len(self.session.objects))
    @rule(pick=picks, deed=st.sampled_from(["reopen", "delete"]))
    def do_to_an_object(self, pick, deed) -> None:
        objects = self.session.objects
        try:
            getattr(objects, deed)(objects.labels[pick % len(objects)])
        except UserError:
            return
        self.bench.settle()

    @rule(action=st.sampled_from([Action.UNDO, Action.REDO]), times=st.integers(1, 3))
    def go_back_or_forth(self, action, times) -> None:
        for _ in range(times):
            self.do(action)
            self.look()

    def look(self) -> None:
        done = tuple(entry.serial for entry in self.session.history.journal.done)
        state = self.what_is()
        before = self.states.setdefault(done, state)
        for part, value in state.items():
            assert before[part] == value, part

    @invariant()
    def layers_and_session_agree(self) -> None:
        if not hasattr(self, "bench"):
            return
        self.look()
        shown = sorted(tuple(position) for position in self.bench.points.data.tolist())
        prompted = sorted(
            plane.to_data(point.row, point.column)
            for plane, prompts in self.session.current.draft.prompts.items()
            for point in prompts.points
        )
        assert shown == prompted
        assert len(self.bench.shapes.data) == sum(
            prompts.box is not None for prompts in self.session.current.draft.prompts.values()
        )
        expected = np.zeros((9, 40, 50), bool)
        for plane, mask in self.session.current.draft.masks.items():
            expected[plane.index[0]] |= mask.painted((40, 50))
        np.testing.assert_array_equal(self.bench.shown() > 0, expected)
        for label in self.session.objects.labels:
            assert self.session.objects.row(label).area == (self.layer.data == label).sum()


def test_the_viewer_undoes_everything_to_the_start_and_redoes_it_to_the_end() -> None:
    run_state_machine_as_test(
        Viewing,
        settings=settings(
            max_examples=6,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
