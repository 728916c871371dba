"""An ambiguous click offers three masks to choose from: by key, by wheel, by button."""

import pytest
from plugin_bench import Z4
from plugin_hand import SHIFT
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_sam.plugin.actions import Action

AREAS = [49, 81, 117]


@pytest.fixture
def engine(engine):
    engine.ambiguous = True
    return engine


def test_the_next_candidate_and_the_one_before(bench) -> None:
    bench.click(4, 12, 12)
    seen = []
    for action in (Action.CANDIDATE, Action.CANDIDATE, Action.CANDIDATE, Action.CANDIDATE_BACK):
        bench.controller.do(action)
        seen.append(int((bench.shown() > 0).sum()))
    assert seen == [AREAS[2], AREAS[0], AREAS[1], AREAS[0]]


def test_the_choice_is_what_later_clicks_correct_and_what_is_accepted(bench) -> None:
    bench.click(4, 12, 12)
    bench.controller.do(Action.CANDIDATE)
    chosen = bench.session.current.draft.masks[Z4]
    bench.controller.do(Action.ACCEPT)
    assert (bench.controller.target_layer.data == 1).sum() == AREAS[2]
    bench.controller.do(Action.UNDO)
    assert bench.session.current.draft.masks[Z4] is chosen
    bench.click(4, 13, 13)
    assert (bench.engine.segmented[-1][1].mask or bench.engine.segmented[-1][3]) is chosen


def test_without_candidates_it_is_told(bench) -> None:
    bench.controller.do(Action.CANDIDATE)
    assert "no candidates" in bench.told[-1]
    bench.click(4, 12, 12)
    bench.click(4, 13, 13)
    bench.controller.do(Action.CANDIDATE)
    assert "no candidates" in bench.told[-1]


def test_by_key_wheel_and_button_in_the_window(desk) -> None:
    row = desk.widget.object.candidates
    assert not row.isVisible()
    desk.click((12, 12))
    assert row.isVisible()
    assert [button.text() for button in row.buttons] == [".50", ".90", ".70"]
    assert "2 of 3, IoU .90" in row.label.text()
    desk.hand.key(Qt.Key.Key_O)
    assert desk.area() == AREAS[2]
    assert "3 of 3" in row.label.text()
    desk.hand.key(Qt.Key.Key_O, SHIFT)
    assert desk.area() == AREAS[1]
    zoom = desk.viewer.scene.camera.zoom
    desk.hand.wheel((12, 12), 1, SHIFT)
    assert desk.area() == AREAS[2]
    desk.hand.wheel((12, 12), -1, SHIFT)
    assert desk.area() == AREAS[1]
    QTest.qWait(100)
    assert desk.viewer.scene.camera.zoom == zoom
    desk.hand.press(row.buttons[0])
    assert desk.area() == AREAS[0]
    assert [button.isChecked() for button in row.buttons] == [True, False, False]
    desk.hand.press(row.buttons[0])
    assert row.buttons[0].isChecked()
    desk.viewer.dims.set_current_step(0, 5)
    QTest.qWait(100)
    desk.hand.until(lambda: not row.isVisible())
    desk.viewer.dims.set_current_step(0, 4)
    desk.hand.until(row.isVisible)
    desk.click((12, 14))
    assert not row.isVisible()


def test_the_bare_wheel_still_zooms(desk) -> None:
    desk.click((12, 12))
    zoom = desk.viewer.scene.camera.zoom
    desk.hand.wheel((12, 12), 1)
    desk.hand.until(lambda: desk.viewer.scene.camera.zoom != zoom)
    assert desk.area() == AREAS[1]
