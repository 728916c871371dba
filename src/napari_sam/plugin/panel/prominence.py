"""The next step's button stands out, and the header of its section where that is closed."""

from collections.abc import Mapping, Sequence

from qtpy.QtWidgets import QWidget

from napari_sam.plugin.panel.next_step import Step
from napari_sam.plugin.panel.section import Section
from napari_sam.plugin.panel.widgets import set_prominent


class Prominence:
    """What stands out, which is one widget at most.

    Parameters
    ----------
    widgets
        For each step, what it is done with.
    sections
        Where these are.

    Attributes
    ----------
    step : Step or None
        The step that is shown.
    """

    def __init__(self, widgets: Mapping[Step, QWidget], sections: Sequence[Section]) -> None:
        self._widgets = widgets
        self._sections = {step: _around(widget, sections) for step, widget in widgets.items()}
        self.step: Step | None = None
        for section in sections:
            section.header.toggled.connect(self._mark)

    @property
    def widget(self) -> QWidget | None:
        """What stands out."""
        return None if self.step is None else self._widgets[self.step]

    def show(self, step: Step | None) -> None:
        """Have the widget of a step stand out, and no other one."""
        if step is not self.step:
            if self.widget is not None:
                set_prominent(self.widget, False)
            self.step = step
            if self.widget is not None:
                set_prominent(self.widget, True)
            self._mark()

    def _mark(self, _: bool = False) -> None:
        next_one = None if self.step is None else self._sections[self.step]
        for section in self._sections.values():
            section.header.mark(section is next_one and not section.opened)


def _around(widget: QWidget, sections: Sequence[Section]) -> Section:
    return next(section for section in sections if section.isAncestorOf(widget))
