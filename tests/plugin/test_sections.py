"""The panel's sections: they open and close, are remembered, and everything in them is reached and nothing cut off."""

import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLabel,
    QSlider,
    QTableView,
    QWidget,
)

from napari_sam.plugin.canvas.plugin_tools import Tool
from napari_sam.plugin.panel.section import Section
from napari_sam.plugin.panel.tab_order import in_order
from napari_sam.plugin.settings import recall, remember
from napari_sam.session.notices import Notice, NoticeKind, Remedy

A, B = (12, 12), (28, 34)
LONG = "A sentence that is much longer than what there is room for in a narrow dock, " * 6


@pytest.fixture
def small(make_desk):
    """A desk as small as it may be."""
    desk = make_desk()
    desk.widget.prompts.dismiss_hint()
    for section in desk.widget.sections:
        section.expand()
    desk.viewer.window.resize(900, 700)
    desk.viewer.dims.set_current_step(0, 4)
    desk.ready()
    window = desk.viewer.window._qt_window
    window.activateWindow()
    desk.hand.until(window.isActiveWindow)
    QTest.qWait(150)
    return desk


def test_a_section_opens_and_closes_by_mouse_and_keys(qtbot):
    section = Section("mine", "Mine")
    inside = QLabel("inside")
    section.add_row(inside)
    qtbot.addWidget(section)
    with qtbot.waitExposed(section):
        section.show()
    assert inside.isVisible()
    assert section.header.accessibleName() == "Mine, open"
    qtbot.mouseClick(section.header, Qt.MouseButton.LeftButton)
    assert not inside.isVisible()
    assert not section.opened
    assert section.header.accessibleName() == "Mine, closed"
    assert section.header.focusPolicy() & Qt.FocusPolicy.TabFocus
    qtbot.keyClick(section.header, Qt.Key.Key_Space)
    assert inside.isVisible()
    section.set_title("Yours")
    assert section.header.accessibleName() == "Yours, open"


def test_what_the_user_opens_and_closes_is_remembered(qtbot):
    one, other = Section("one", "One"), Section("other", "Other", opened=False)
    for each in (one, other):
        qtbot.addWidget(each)
    # Not what a script does.
    one.collapse()
    assert recall("sections") is None
    one.expand()
    for each in (one, other):
        each.header.click()
    assert recall("sections") == {"one": False, "other": True}
    assert not Section("one", "One").opened
    assert Section("other", "Other", opened=False).opened


@pytest.mark.parametrize("found", ["nonsense", 3, ["one"], {"one": "x"}])
def test_nonsense_in_the_settings_opens_what_is_open_by_itself(qtbot, found):
    remember("sections", found)
    section = Section("one", "One")
    qtbot.addWidget(section)
    assert section.opened


def test_the_panel_opens_as_it_was_left(make_desk):
    first = make_desk()
    assert [each.opened for each in first.widget.sections] == [True, True, False, True, True, False, True]
    first.hand.press(first.widget.choices.header)
    first.hand.press(first.widget.objects.header)
    second = make_desk()
    assert [each.opened for each in second.widget.sections] == [False, True, False, True, True, True, True]
    assert not second.widget.choices.image.isVisible()


def test_the_tab_key_goes_through_all_that_is_open_from_top_to_bottom(small):
    small.click(A)
    small.widget.objects.collapse()
    wanted = [each for each in in_order(small.widget) if each.isVisible() and each.isEnabled()]
    # Of choices that exclude each other Qt goes to the chosen one, and from there by the arrow keys.
    wanted = [each for each in wanted if each not in list(small.widget.object.collision.choices.values())[1:]]
    wanted[0].setFocus()
    seen = []
    while (focused := QApplication.focusWidget()) is not None and small.widget.isAncestorOf(focused):
        assert focused not in seen
        seen.append(focused)
        view = small.widget.column.viewport()
        if view.isAncestorOf(focused):
            assert view.rect().contains(focused.mapTo(view, focused.rect().center())), focused
        QTest.keyClick(focused, Qt.Key.Key_Tab)
    assert [describe(each) for each in seen] == [describe(each) for each in wanted]
    for kind in (QAbstractButton, QComboBox, QAbstractSpinBox, QSlider, QTableView):
        for each in small.widget.findChildren(kind):
            if each.isVisible() and each.isEnabled() and each not in small.widget.object.collision.choices.values():
                assert each in seen, describe(each)
    # Behind it are napari's own; keys of the canvas work wherever the keyboard is in the panel.
    assert small.widget.table.view not in seen
    small.widget.choices.header.setFocus()
    QTest.keyClick(small.widget.choices.header, Qt.Key.Key_W)
    assert not len(small.points.data)


def describe(widget: QWidget) -> str:
    text = widget.text() if isinstance(widget, QAbstractButton) else ""
    return widget.accessibleName() or text or type(widget).__name__


def test_everything_has_a_name_for_those_who_do_not_see_it(desk):
    nameless = [
        each
        for each in in_order(desk.widget)
        if each.isVisible() and not each.accessibleName() and not (isinstance(each, QAbstractButton) and each.text())
    ]
    # Qt reads the label beside a choice.
    assert [each for each in nameless if each is not desk.widget.prompts.source.layer] == []


def test_nothing_is_cut_off_in_a_small_window(small):
    window = small.viewer.window._qt_window
    small.click(A)
    small.controller.told.emit(LONG)
    show_notices(small)
    QTest.qWait(150)
    assert (window.width(), window.height()) == (900, 700)
    panel = small.widget
    for each in panel.findChildren(QWidget):
        if isinstance(each, QAbstractButton | QComboBox | QAbstractSpinBox | QSlider | QTableView) and each.isVisible():
            left, right = (each.mapTo(panel, corner).x() for corner in (each.rect().topLeft(), each.rect().topRight()))
            assert left >= 0, describe(each)
            assert right < panel.width(), describe(each)
        if isinstance(each, QAbstractButton) and each.isVisible() and each.text():
            for line in each.text().split("\n"):
                assert each.fontMetrics().horizontalAdvance(line) <= each.width(), each.text()
    # Whatever is not in view can be scrolled to.
    for scroll in (panel.column, panel._foot):
        assert scroll.widget().height() - scroll.viewport().height() == scroll.verticalScrollBar().maximum()
        assert scroll.viewport().height() > 100
    assert panel.column.height() > panel._foot.height()


def show_notices(desk):
    remedy = Remedy("Another folder…", "It is only shown.", bool)
    desk.session.notices.show(NoticeKind.AUTOSAVE, Notice(LONG, (remedy,)))
    desk.session.notices.show(NoticeKind.LABELS, Notice(LONG))


def places(desk) -> dict[str, QPoint]:
    return {
        describe(each): each.mapTo(desk.widget, QPoint())
        for each in desk.widget.findChildren(QAbstractButton)
        if each.isVisible() and desk.widget.column.isAncestorOf(each)
    }


def test_nothing_moves_when_texts_come_and_go(small):
    small.widget.column.verticalScrollBar().setValue(0)
    before = places(small)
    assert len(before) > 20

    small.controller.told.emit(LONG)
    QTest.qWait(50)
    assert small.widget.status.message.text().replace("\u200b", "") == LONG
    assert places(small) == before

    show_notices(small)
    QTest.qWait(50)
    assert small.widget.notices.isVisible()
    assert places(small) == before

    small.click(A)
    now = places(small)
    assert {name: now[name] for name in before} == before
    for kind in (NoticeKind.AUTOSAVE, NoticeKind.LABELS):
        small.session.notices.show(kind, None)
    QTest.qWait(50)
    assert not small.widget._foot.isVisible()
    assert {name: places(small)[name] for name in before} == before


def test_a_question_takes_the_place_of_what_led_to_it(small):
    below = small.widget.stack.header
    before = below.mapTo(small.widget, QPoint())
    rows = small.widget.object.collision
    rows.sentence.setText("Meets 9 pixels of label 1, 8 of label 2, 7 of label 3 and 3 of 2 more.")
    rows.pages.setCurrentWidget(rows.question)
    QTest.qWait(50)
    assert below.mapTo(small.widget, QPoint()) == before
    for each in (rows.keep, rows.overwrite, rows.back):
        for line in each.text().split("\n"):
            assert each.fontMetrics().horizontalAdvance(line) <= each.width(), each.text()


def test_a_message_that_is_too_long_can_be_scrolled_by_keys(small):
    room = small.widget.status._room
    assert room.focusPolicy() == Qt.FocusPolicy.NoFocus
    small.controller.told.emit(LONG)
    QTest.qWait(50)
    assert room.focusPolicy() == Qt.FocusPolicy.TabFocus
    QTest.keyClick(room, Qt.Key.Key_Down)
    assert room.verticalScrollBar().value() > 0
    small.controller.told.emit("Short.")
    QTest.qWait(50)
    assert room.verticalScrollBar().value() == 0
    assert room.focusPolicy() == Qt.FocusPolicy.NoFocus


def test_tools_show_which_one_is_in_use(desk):
    tools = desk.widget.prompts.tools.buttons

    def in_use() -> list[Tool]:
        return [tool for tool, each in tools.items() if each.isChecked()]

    assert in_use() == [Tool.CLICK]
    for tool, layer, mode in (
        (Tool.BOX, desk.shapes, "add_rectangle"),
        (Tool.OUTLINE, desk.shapes, "add_polygon"),
        (Tool.SCRIBBLE, desk.shapes, "add_path"),
        (Tool.MOVE_SHAPES, desk.shapes, "select"),
        (Tool.MOVE_CLICKS, desk.points, "select"),
        (Tool.CLICK, desk.points, "add"),
    ):
        desk.hand.press(tools[tool])
        assert desk.viewer.layers.selection.active is layer
        assert str(layer.mode) == mode
        assert in_use() == [tool]
        desk.hand.press(tools[tool])
        assert in_use() == [tool]
    # By napari's own buttons and keys too.
    desk.points.mode = "pan_zoom"
    assert in_use() == []
    desk.viewer.layers.selection.active = desk.image
    assert in_use() == []
    desk.hand.press(tools[Tool.CLICK])
    assert in_use() == [Tool.CLICK]


def test_every_tool_says_its_key(desk):
    for each in desk.widget.prompts.tools.buttons.values():
        assert "Key: " in each.toolTip()
        assert each.caption


def test_the_wheel_scrolls_the_panel_and_changes_no_choice(small):
    from qtpy.QtCore import QPointF
    from qtpy.QtGui import QWheelEvent

    size = small.widget.choices.object_size
    size.setValue(40)
    small.hand.canvas.setFocus()

    def turn() -> None:
        at = QPointF(size.rect().center())
        none = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False
        place = QPointF(size.mapToGlobal(at.toPoint()))
        QApplication.sendEvent(size, QWheelEvent(at, place, QPoint(), QPoint(0, -120), *none))

    turn()
    assert size.value() == 40
    size.setFocus()
    turn()
    assert size.value() != 40


def test_objects_are_counted_in_the_header(desk):
    assert desk.widget.objects.header.text() == "Objects"
    for at in (A, B):
        desk.click(at)
        desk.hand.key(Qt.Key.Key_Return)
    desk.hand.until(lambda: desk.widget.objects.header.text() == "Objects (2)")


def test_objects_are_carried_no_farther_than_asked(desk):
    form = desk.widget.stack.range
    assert (form.axis.value, form.first.value, form.last.value, form.last.max) == (0, 0, 8, 8)
    form.first.value, form.last.value = 3, 5
    desk.click(A)
    desk.hand.key(Qt.Key.Key_G)
    desk.hand.until(lambda: desk.session.current.draft.carried is not None and not desk.session.volume.active)
    assert {plane.index[0] for plane in desk.session.current.draft.masks} == {3, 4, 5}
    # The last is never before the first.
    form.first.value = 7
    assert form.last.value == 7
    # Another image has other planes.
    desk.viewer.add_image(desk.image.data[:4], name="other")
    choice = desk.widget.choices.image
    choice.setCurrentIndex(choice.findText("other"))
    desk.hand.until(lambda: form.last.max == 3)
    assert (form.first.value, form.last.value) == (0, 3)
    assert desk.controller.propagation_planes == (None, None)


def test_an_image_is_opened_from_the_panel(desk, monkeypatch, tmp_path):
    import imageio.v3 as iio

    path = tmp_path / "more.png"
    iio.imwrite(path, desk.image.data[4])
    chosen = [str(path)]
    monkeypatch.setattr("napari_sam.plugin.segment_widget.QFileDialog.getOpenFileNames", lambda *_: (chosen, ""))
    desk.hand.press(desk.widget.choices.open_button)
    assert "more" in [layer.name for layer in desk.viewer.layers]
    chosen[0] = str(tmp_path / "nothing.png")
    desk.hand.press(desk.widget.choices.open_button)
    assert "could not be opened" in desk.widget.status.message.text().replace("\u200b", "")
