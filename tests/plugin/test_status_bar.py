"""napari's status thread reads layers while they change; nothing of that reaches the user, nor stays in a layer."""

import threading
import time

import numpy as np
import pytest
from napari.layers import Image, Points, Shapes
from qtpy.QtTest import QTest
from session_deeds import Z4

from napari_sam.prompts.prompt import Point


def status_thread(desk):
    thread = desk.viewer.window._qt_window.status_thread
    assert thread.isRunning()
    return thread


def test_clicks_that_change_under_the_pointer_make_no_red_box(desk) -> None:
    thread, clicks, over = status_thread(desk), desk.widget.controller.own.prompts, threading.Event()

    def ask() -> None:
        while not over.wait(0.0005):
            thread.trigger_status_update()

    desk.hand.hover((12, 12))
    asking = threading.Thread(target=ask)
    asking.start()
    until = time.monotonic() + 4
    number = 0
    while time.monotonic() < until:
        number += 1
        with clicks.quiet():
            clicks._clicks.write([(Z4, Point(12 + at, 12)) for at in range(number % 5)], 0)
        if number % 5 == 0:
            QTest.qWait(1)
    over.set()
    asking.join()


@pytest.mark.parametrize("kind", [Points, Shapes])
def test_the_status_thread_reads_none_of_the_plugins_layers(desk, monkeypatch, kind) -> None:
    readers = []
    read = kind._get_value

    def noted(layer, position):
        readers.append(threading.current_thread())
        return read(layer, position)

    monkeypatch.setattr(kind, "_get_value", noted)
    status_thread(desk)
    desk.click((12, 12))
    desk.viewer.layers.selection.active = desk.points if kind is Points else desk.shapes
    for row in range(5, 20):
        desk.hand.hover((row, 12))
        QTest.qWait(5)
    desk.hand.until(lambda: readers and "12" in str(desk.viewer.status))
    assert set(readers) == {threading.main_thread()}


def test_what_fails_in_the_status_thread_is_told_by_the_main_thread(desk, monkeypatch) -> None:
    status_thread(desk)
    read = Image.get_status

    def failing(layer, *position, **how):
        if threading.current_thread() is not threading.main_thread():
            raise ValueError("operands could not be broadcast together")
        return read(layer, *position, **how)

    monkeypatch.setattr(Image, "get_status", failing)
    desk.viewer.layers.selection.active = desk.image
    desk.hand.hover((12, 13))
    desk.hand.until(lambda: "200" in str(desk.viewer.status))


def test_after_the_panel_is_closed_the_thread_is_naparis(desk) -> None:
    thread = status_thread(desk)
    assert "calculate_status" in vars(thread)
    desk.viewer.window.remove_dock_widget(desk.dock)
    desk.hand.until(lambda: "calculate_status" not in vars(thread))
    points = desk.viewer.add_points(np.array([[4, 12, 12]]))
    points.selected_data = set()
    desk.hand.hover((12, 12))
    desk.hand.until(lambda: "Points" in str(desk.viewer.status))
