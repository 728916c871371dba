"""The one thing to do next, and the button that stands out for it."""

from dataclasses import replace

import pytest
from qtpy.QtCore import Qt

from napari_sam.labels.paint import Collision
from napari_sam.plugin.actions import Action
from napari_sam.plugin.panel.next_step import Situation, Step, next_step
from napari_sam.session.status import State

A, B = (12, 12), (28, 34)
IN_VIEW = Situation(offered=True, chosen=True, in_view=True)
MASKED = replace(IN_VIEW, masked=True)


@pytest.mark.parametrize(
    ("situation", "step"),
    [
        (Situation(), Step.OPEN_IMAGE),
        (Situation(offered=True), Step.CHOOSE_IMAGE),
        (replace(IN_VIEW, downloadable=True), Step.DOWNLOAD_MODEL),
        (replace(IN_VIEW, usable=False), Step.CHOOSE_MODEL),
        (IN_VIEW, Step.PROMPT),
        (replace(IN_VIEW, in_view=False), None),
        (MASKED, Step.ACCEPT),
        (replace(MASKED, stacked=True), Step.PROPAGATE),
        (replace(MASKED, stacked=True, carried=True), Step.ACCEPT),
        # In the 3-D view nothing can be propagated.
        (replace(MASKED, stacked=True, in_view=False), Step.ACCEPT),
        (replace(MASKED, stacked=True, busy=True), None),
        (replace(MASKED, asked=True), Step.ANSWER),
        (replace(IN_VIEW, asked=True, busy=True), Step.ANSWER),
        (replace(IN_VIEW, unsaved=True, proposed=True), Step.ACCEPT_FOUND),
        (replace(MASKED, proposed=True), Step.ACCEPT),
        (replace(IN_VIEW, unsaved=True), Step.SAVE),
        (replace(IN_VIEW, unsaved=True, in_view=False), Step.SAVE),
        # The object in work comes first.
        (replace(MASKED, unsaved=True), Step.ACCEPT),
    ],
)
def test_what_is_next(situation, step):
    assert next_step(situation) is step


def step(desk) -> Step | None:
    prominent = [each for each in desk.widget._prominence._widgets.values() if each.property("prominent")]
    assert prominent == ([] if desk.widget._prominence.widget is None else [desk.widget._prominence.widget])
    return desk.widget._prominence.step


def test_it_goes_along_with_the_work_in_the_window(desk, tmp_path):
    assert step(desk) is Step.PROMPT
    desk.click(A)
    assert step(desk) is Step.PROPAGATE
    desk.hand.press(desk.widget.buttons[Action.PROPAGATE])
    desk.hand.until(lambda: desk.session.current.draft.carried is not None and not desk.session.volume.active)
    desk.hand.until(lambda: step(desk) is Step.ACCEPT)
    # A plane that is corrected is one that the others are to follow.
    desk.viewer.dims.set_current_step(0, 5)
    desk.hand.until(lambda: desk.session.image.plane.index[0] == 5)
    desk.ready()
    desk.click(B)
    assert step(desk) is Step.PROPAGATE
    desk.hand.key(Qt.Key.Key_Return)
    assert step(desk) is Step.SAVE
    desk.session.record.save(tmp_path / "saved.ome.tif")
    desk.hand.until(lambda: "Saved" in desk.widget.status.message.text())
    desk.hand.until(lambda: step(desk) is Step.PROMPT)
    desk.hand.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert step(desk) is not Step.PROMPT
    desk.viewer.layers.remove(desk.image)
    desk.hand.until(lambda: desk.session.status.state is State.NO_IMAGE)
    assert step(desk) is Step.OPEN_IMAGE


def test_a_question_is_what_is_next(desk):
    desk.click(A)
    desk.hand.key(Qt.Key.Key_Return)
    desk.widget.object.collision.choices[Collision.ASK].setChecked(True)
    desk.click(A)
    desk.hand.key(Qt.Key.Key_Return)
    assert step(desk) is Step.ANSWER
    assert desk.widget.object.collision.keep.isVisible()
    desk.hand.press(desk.widget.object.collision.back)
    assert step(desk) is Step.PROPAGATE


def test_a_closed_section_is_marked_where_the_next_step_is_in_it(desk):
    header = desk.widget.prompts.header
    assert not header.marked
    desk.widget.prompts.collapse()
    assert header.marked
    desk.click(A)
    assert not header.marked
    desk.widget.stack.collapse()
    assert desk.widget.stack.header.marked
    desk.widget.stack.expand()
    assert not desk.widget.stack.header.marked


def test_what_stands_out_is_as_large_as_before(desk):
    before = desk.widget.buttons[Action.PROPAGATE].geometry()
    desk.click(A)
    assert step(desk) is Step.PROPAGATE
    assert desk.widget.buttons[Action.PROPAGATE].geometry() == before


def test_a_model_that_fails_is_to_be_another_one(desk, monkeypatch):
    def fail(*_, **__):
        from napari_sam.errors import UserError

        raise UserError("There is no such model.")

    monkeypatch.setattr(desk.engine, "open", fail)
    desk.session.model.choose("mine.pt")
    desk.hand.until(lambda: desk.session.status.state is State.ERROR)
    assert step(desk) is Step.CHOOSE_MODEL
