"""The order in which the Tab key goes through the panel: as it is read."""

from collections.abc import Iterator
from itertools import pairwise

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLayout, QScrollArea, QStackedWidget, QWidget


def set_tab_order(panel: QWidget) -> None:
    """Have the Tab key go through a widget in the order of its layouts; Qt goes by when each part was made.

    Parameters
    ----------
    panel
        The widget.
    """
    for before, after in pairwise(in_order(panel)):
        QWidget.setTabOrder(before, after)


def in_order(widget: QWidget) -> Iterator[QWidget]:
    """Yield what takes the keyboard inside a widget, hidden parts too, in the order of its layouts."""
    if widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.focusProxy() is None:
        yield widget
    if isinstance(widget, QScrollArea):
        content = widget.widget()
        if content is not None:
            yield from in_order(content)
        return
    layout = widget.layout()
    if isinstance(widget, QStackedWidget):
        for at in range(widget.count()):
            page = widget.widget(at)
            if page is not None:
                yield from in_order(page)
    elif layout is not None:
        yield from _in_layout(layout)


def _in_layout(layout: QLayout) -> Iterator[QWidget]:
    for at in range(layout.count()):
        item = layout.itemAt(at)
        if item is None:
            continue
        widget, inner = item.widget(), item.layout()
        if widget is not None:
            yield from in_order(widget)
        elif inner is not None:
            yield from _in_layout(inner)
