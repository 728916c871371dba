"""The table of accepted objects, by hand and as a model."""

import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from session_deeds import Z4

from napari_sam.labels.paint import Collision
from napari_sam.plugin.actions import Action
from napari_sam.plugin.panel.object_table import COLUMNS, ObjectTableWidget


def texts(table: ObjectTableWidget) -> list[list[str]]:
    model = table.model
    return [
        [model.data(model.index(row, column), Qt.ItemDataRole.DisplayRole) for column in range(len(COLUMNS))]
        for row in range(model.rowCount())
    ]


def accept_two(bench) -> None:
    bench.click(4, 12, 12)
    bench.controller.do(Action.PROPAGATE)
    bench.settle()
    bench.controller.do(Action.ACCEPT)
    bench.click(4, 28, 34)
    bench.controller.do(Action.ACCEPT)


def test_what_the_cells_say(bench, qtbot) -> None:
    table = ObjectTableWidget(bench.controller)
    qtbot.addWidget(table)
    assert texts(table) == []
    accept_two(bench)
    table.update_rows()
    # The pixel's size is 2, 1, 1 of no unit, so there is no physical size.
    assert texts(table) == [
        ["1", "", "1–7", "567 px", "– / .30", "1"],
        ["2", "", "4", "81 px", "–", "1"],
    ]
    layer = bench.controller.target_layer
    shown = table.model.data(table.model.index(1, 0), Qt.ItemDataRole.DecorationRole)
    np.testing.assert_allclose(shown.getRgbF()[:3], layer.get_color(2)[:3], atol=0.01)
    table.close_table()


def test_another_image_has_none_of_the_objects_of_the_last(bench, qtbot) -> None:
    table = ObjectTableWidget(bench.controller)
    qtbot.addWidget(table)
    accept_two(bench)
    qtbot.waitUntil(lambda: table.model.labels == [1, 2])
    bench.controller.images.choose(bench.viewer.add_image(np.zeros((9, 40, 50)), name="others"))
    bench.settle()
    qtbot.waitUntil(lambda: table.model.labels == [])
    table.close_table()


def test_names_are_edited_in_place_and_undone(bench, qtbot) -> None:
    table = ObjectTableWidget(bench.controller)
    qtbot.addWidget(table)
    accept_two(bench)
    table.update_rows()
    name = table.model.index(0, 1)
    assert table.model.flags(name) & Qt.ItemFlag.ItemIsEditable
    assert not table.model.flags(table.model.index(0, 0)) & Qt.ItemFlag.ItemIsEditable
    assert table.model.setData(name, " soma ", Qt.ItemDataRole.EditRole)
    assert bench.session.objects.row(1).name == "soma"
    bench.controller.do(Action.UNDO)
    assert bench.session.objects.row(1).name == ""
    table.close_table()


def test_the_next_id_is_chosen_refused_and_undone(bench, qtbot) -> None:
    table = ObjectTableWidget(bench.controller)
    qtbot.addWidget(table)
    accept_two(bench)
    table.next_id.setValue(2)
    assert "object 2 already" in bench.told[-1]
    assert table.next_id.value() == 0
    table.next_id.setValue(30)
    bench.controller.collision = Collision.OVERWRITE
    bench.click(1, 12, 12)
    bench.controller.do(Action.ACCEPT)
    assert bench.session.objects.labels == [1, 2, 30]
    assert table.next_id.value() == 0
    bench.controller.do(Action.UNDO)
    assert table.next_id.value() == 30
    bench.controller.do(Action.REJECT)
    bench.controller.reopen(1)
    assert not table.next_id.isEnabled()
    table.close_table()


def test_selecting_jumps_and_what_is_selected_stays_so(bench, qtbot) -> None:
    table = ObjectTableWidget(bench.controller)
    qtbot.addWidget(table)
    accept_two(bench)
    table.update_rows()
    bench.scroll(0, 0)
    table.view.selectRow(1)
    assert bench.viewer.dims.current_step[0] == 4
    bench.scroll(0, 0)
    bench.click(1, 12, 12)
    bench.controller.do(Action.ACCEPT)
    table.update_rows()
    assert table.selected == 2
    # The table followed; the user did not ask to be taken anywhere.
    assert bench.viewer.dims.current_step[0] == 0
    bench.viewer.dims.order = (1, 0, 2)
    bench.controller.jump_to(1)
    assert bench.viewer.dims.order == (0, 1, 2)
    assert bench.viewer.dims.current_step[0] == 4
    table.close_table()


def test_an_object_out_of_sight_is_brought_into_the_middle(bench) -> None:
    from napari_sam.plugin.layers.view import camera_of

    accept_two(bench)
    image = bench.controller.image
    image.corner_pixels = np.array([[0, 0, 0], [0, 15, 15]])
    bench.controller.jump_to(2)
    np.testing.assert_allclose(camera_of(bench.viewer).center[-2:], (28, 34))


def test_ten_thousand_rows_are_only_asked_for_where_they_are_seen(bench, qtbot, monkeypatch) -> None:
    accept_two(bench)
    row, asked = bench.session.objects.row(2), []

    class Many:
        labels = range(1, 10_001)

        def __contains__(self, label) -> bool:
            return True

        def row(self, label):
            asked.append(label)
            return row

    monkeypatch.setattr(bench.session, "objects", Many())
    table = ObjectTableWidget(bench.controller)
    qtbot.addWidget(table)
    table.resize(400, 300)
    with qtbot.waitExposed(table):
        table.show()
    QTest.qWait(20)
    assert table.model.rowCount() == 10_000
    assert table.model.rowCount(table.model.index(0, 0)) == 0
    assert 0 < len(set(asked)) < 100
    table.close_table()


def test_by_hand_in_the_window(desk) -> None:
    desk.widget.objects.expand()
    table = desk.widget.table
    for position in ((12, 12), (28, 34)):
        desk.click(position)
        desk.hand.key(Qt.Key.Key_Return)
    desk.hand.until(lambda: table.model.rowCount() == 2)
    desk.viewer.dims.set_current_step(0, 0)
    center = table.view.visualRect(table.model.index(1, 0)).center()
    QTest.mouseClick(table.view.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(center.x(), center.y()))
    desk.hand.until(lambda: desk.session.image.plane == Z4)
    assert table.selected == 2
    QTest.keyClick(table.view, Qt.Key.Key_Return)
    assert desk.session.current.label == 2
    assert len(desk.points.data) == 1
    desk.click((12, 12))
    assert desk.area() == 162
    desk.hand.key(Qt.Key.Key_Return)
    assert (desk.labels == 2).sum() == 81
    QTest.keyClick(table.view, Qt.Key.Key_Delete)
    assert not (desk.labels == 2).any()
    desk.hand.until(lambda: table.model.rowCount() == 1)
    desk.hand.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    desk.hand.until(lambda: table.model.rowCount() == 2)
    assert (desk.labels == 2).sum() == 81
