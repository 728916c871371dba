"""What happens to pixels of other labels: the choice, and the question where the user wants to be asked."""

from functools import partial

from qtpy.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QLabel, QRadioButton, QVBoxLayout, QWidget

from napari_sam.labels.collision import Collision, describe
from napari_sam.plugin.controller import SegmentController
from napari_sam.plugin.panel.parts import SPACING, button, column, row

_CHOICES = {
    Collision.KEEP: ("keep others", "Pixels that belong to another object stay with it."),
    Collision.OVERWRITE: ("overwrite", "Pixels that belong to another object become this one's."),
    Collision.ASK: ("ask", "Say how many pixels of which objects are met, and let me decide."),
}


class CollisionRows(QWidget):
    """Keep, overwrite or ask; below it the question, while there is one.

    Parameters
    ----------
    controller
        Whose objects.
    """

    def __init__(self, controller: SegmentController) -> None:
        super().__init__()
        self._controller = controller
        self.choices = {collision: QRadioButton(text) for collision, (text, _) in _CHOICES.items()}
        group = QButtonGroup(self)
        line = QHBoxLayout()
        line.setSpacing(SPACING)
        line.addWidget(QLabel("Others:"))
        for collision, choice in self.choices.items():
            choice.setToolTip(_CHOICES[collision][1])
            choice.setChecked(collision is controller.collision)
            choice.toggled.connect(partial(self._choose, collision))
            group.addButton(choice)
            line.addWidget(choice)
        line.addStretch(1)
        self.question = QFrame()
        self.question.setObjectName("question")
        self.question.setStyleSheet("#question { border: 1px solid #e0a800; border-radius: 3px; }")
        self.sentence = QLabel()
        self.sentence.setWordWrap(True)
        self.keep = button("Keep", "Enter", "The others keep their pixels.")
        self.overwrite = button("Overwrite", "Shift+Enter", "Take the pixels.")
        self.back = button("Back", "Esc", "Write nothing; the object stays in work.")
        inside = QVBoxLayout(self.question)
        inside.setContentsMargins(6, 4, 6, 4)
        inside.setSpacing(SPACING)
        inside.addWidget(self.sentence)
        inside.addLayout(row(self.keep, self.back))
        inside.addWidget(self.overwrite)
        rows = column(self)
        rows.addLayout(line)
        rows.addWidget(self.question)
        for each, answer in (
            (self.keep, Collision.KEEP),
            (self.overwrite, Collision.OVERWRITE),
            (self.back, None),
        ):
            each.clicked.connect(partial(self._answer, answer))
        controller.asked_changed.connect(self.show_question)
        self.show_question()

    def show_question(self) -> None:
        """Show what is asked, if anything is."""
        question = self._controller.asked
        self.question.setVisible(question is not None)
        if question is not None:
            self.sentence.setText(f"Meets {describe(question.pixels)}.")

    def _choose(self, collision: Collision, chosen: bool) -> None:
        if chosen:
            self._controller.collision = collision

    def _answer(self, collision: Collision | None, _: bool = False) -> None:
        self._controller.answer(collision)
