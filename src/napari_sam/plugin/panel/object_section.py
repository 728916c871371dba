"""The section about the object in work: its id, its candidates, accepting it, and what it may overwrite."""

from functools import partial

from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QRadioButton,
    QSizePolicy,
    QStackedWidget,
    QWidget,
)

from napari_sam.labels.paint import Collision, describe
from napari_sam.plugin.actions import CONTROLS, Action
from napari_sam.plugin.controller import SegmentController
from napari_sam.plugin.panel.icons import action_icon
from napari_sam.plugin.panel.section import Section
from napari_sam.plugin.panel.widgets import (
    SPACING,
    FramedRow,
    PanelButton,
    RoomKeeper,
    action_button,
    button,
    column_layout,
    row,
)
from napari_sam.session.status import Status

MOST = 3


class CandidateRow(QWidget):
    """The row with the candidate that is shown, and a small button for each with its predicted IoU.

    It keeps its place where there is nothing to choose, so that nothing below moves.

    Parameters
    ----------
    controller
        Whose candidates.
    """

    def __init__(self, controller: SegmentController) -> None:
        super().__init__()
        self._controller = controller
        control = CONTROLS[Action.CANDIDATE]
        self.label = QLabel()
        self.label.setToolTip(
            f"The candidate that is shown, of those for an ambiguous click. {control.tip} Key: {control.shown}, or "
            "Shift and the mouse wheel."
        )
        self.buttons = [PanelButton() for _ in range(MOST)]
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING)
        layout.addWidget(self.label, 1)
        for at, choice in enumerate(self.buttons):
            choice.setCheckable(True)
            choice.clicked.connect(partial(self._choose, at))
            layout.addWidget(choice)
        policy = self.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.setSizePolicy(policy)
        self.show_candidates()

    def show_candidates(self) -> None:
        """Show the candidates on the plane in view."""
        answer = self._controller.candidates.answer
        self.setVisible(answer is not None)
        scores = ["--"] * MOST
        if answer is not None:
            self.label.setText(
                f"{answer.chosen + 1} of {len(answer.candidates)}, IoU {as_share(answer.mask.score)} "
                f"[{CONTROLS[Action.CANDIDATE].shown}]"
            )
            scores = [as_share(mask.score) for mask in answer.candidates]
        for at, choice in enumerate(self.buttons):
            here = answer is not None and at < len(answer.candidates)
            choice.setText(scores[at] if here else "--")
            choice.setVisible(here or answer is None)
            choice.setChecked(answer is not None and at == answer.chosen)
            if answer is not None and here:
                area = answer.candidates[at].area
                choice.setEnabled(bool(area))
                choice.setToolTip(f"Candidate {at + 1}: predicted IoU {scores[at]}, {area} pixels.")

    def _choose(self, at: int, _: bool = False) -> None:
        self._controller.try_to(partial(self._controller.candidates.choose, at))
        self.show_candidates()


def as_share(value: float) -> str:
    """Write a number between 0 and 1 in two digits, as ".87"."""
    return f"{value:.2f}".removeprefix("0")


_CHOICES = {
    Collision.KEEP: ("keep", "Pixels that belong to another object stay with it."),
    Collision.OVERWRITE: ("overwrite", "Pixels that belong to another object become this one's."),
    Collision.ASK: ("ask", "Say how many pixels of which objects are met, and let me decide."),
}


_ANSWER_WIDTH = 56
"""Pixels that the shortest answer with its key takes."""
_QUESTION_LINES = 3
"""Room for a question that names as many labels as any does."""


class AcceptRows(QWidget):
    """The buttons that end the work on an object, with what may be overwritten; the question takes their place.

    So nothing moves where it is asked.

    Parameters
    ----------
    controller
        Whose objects.

    Attributes
    ----------
    buttons : dict
        The buttons.
    choices : dict
        What happens to pixels of other objects.
    question : FramedRow
        What is asked, with the answers.
    """

    def __init__(self, controller: SegmentController) -> None:
        super().__init__()
        self._controller = controller
        self.buttons = {action: action_button(action) for action in (Action.ACCEPT, Action.REJECT, Action.NEXT)}
        self.choices = {collision: QRadioButton(text) for collision, (text, _) in _CHOICES.items()}
        group = QButtonGroup(self)
        line = QHBoxLayout()
        line.setSpacing(SPACING)
        for collision, choice in self.choices.items():
            choice.setToolTip(_CHOICES[collision][1])
            choice.setAccessibleName(f"Pixels of other objects: {_CHOICES[collision][0]}")
            choice.setChecked(collision is controller.collision)
            choice.toggled.connect(partial(self._choose, collision))
            group.addButton(choice)
            line.addWidget(choice)
        line.addStretch(1)
        self._ending = QWidget()
        rows = column_layout(self._ending)
        # As the question needs more room, and this is the button that is pressed most.
        self.buttons[Action.ACCEPT].setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Expanding)
        rows.addWidget(self.buttons[Action.ACCEPT], 1)
        rows.addLayout(row(self.buttons[Action.REJECT], self.buttons[Action.NEXT]))
        rows.addWidget(QLabel("Pixels of other objects"))
        rows.addLayout(line)
        self.question = FramedRow()
        self.sentence = self.question.sentence
        self._keeper = RoomKeeper(self.sentence, _QUESTION_LINES, self.sentence.setMinimumHeight)
        self.keep = button("Keep", "Enter", "The others keep their pixels.", "\n")
        self.overwrite = button("Overwrite", "Shift+Enter", "Take the pixels.", "\n")
        self.back = button("Back", "Esc", "Write nothing; the object stays in work.", "\n")
        answers = row(self.keep, self.overwrite, self.back)
        # By the lengths of the keys: as wide as Qt would have its buttons, they would widen the panel.
        for at, (made, share) in enumerate(((self.keep, 3), (self.overwrite, 5), (self.back, 3))):
            made.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
            made.setMinimumWidth(_ANSWER_WIDTH)
            answers.setStretch(at, share)
        self.question.rows.addLayout(answers)
        self.pages = QStackedWidget()
        for page in (self._ending, self.question):
            self.pages.addWidget(page)
        column_layout(self).addWidget(self.pages)
        for each, answer in (
            (self.keep, Collision.KEEP),
            (self.overwrite, Collision.OVERWRITE),
            (self.back, None),
        ):
            each.clicked.connect(partial(self._answer, answer))
        controller.asked_changed.connect(self.show_question)
        self.show_question()

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Keep the room that a question will need."""
        super().showEvent(event)
        if not self.pages.minimumHeight():
            for each in (self.question, *self.question.findChildren(QWidget)):
                each.ensurePolished()
            # A frame that has not been seen does not know yet what its style adds around it.
            self.pages.setMinimumHeight(self.question.sizeHint().height() + 8)

    def show_question(self) -> None:
        """Show what is asked, if anything is; the keyboard stays where it was, or goes to the first answer."""
        question = self._controller.asked
        page = self._ending if question is None else self.question
        focused = self.pages.focusWidget()
        has_keyboard = focused is not None and focused.hasFocus()
        if question is not None:
            self.sentence.setText(f"Meets {describe(question.pixels)}.")
        if page is not self.pages.currentWidget():
            self.pages.setCurrentWidget(page)
            if has_keyboard:
                (self.buttons[Action.ACCEPT] if question is None else self.keep).setFocus()

    def _choose(self, collision: Collision, chosen: bool) -> None:
        if chosen:
            self._controller.collision = collision

    def _answer(self, collision: Collision | None, _: bool = False) -> None:
        self._controller.answer(collision)


_VIEW_ACTIONS = (Action.HIDE, Action.UNDO, Action.REDO)


class ObjectSection(Section):
    """The section about the object in work.

    Parameters
    ----------
    controller
        Whose object.
    """

    def __init__(self, controller: SegmentController) -> None:
        super().__init__("object", "Object")
        self._controller = controller
        self._session = controller.session
        self.candidates = CandidateRow(controller)
        self.collision = AcceptRows(controller)
        icons: dict[Action, QPushButton] = {action: action_icon(action) for action in _VIEW_ACTIONS}
        self.buttons: dict[Action, QPushButton] = {**self.collision.buttons, **icons}
        self.add_row(self.candidates)
        self.add_row(self.collision)
        self.add_row(row(*icons.values()))

    def show_status(self, _: Status) -> None:
        """Say what can be done in this state."""
        session, draft = self._session, self._session.current.draft
        for action, possible in (
            (Action.ACCEPT, bool(draft.masks) or bool(draft.in_flight)),
            (Action.REJECT, bool(draft) or session.volume.active),
            (Action.HIDE, session.image.source is not None),
            (Action.NEXT, session.image.source is not None),
        ):
            self.buttons[action].setEnabled(possible)
        self.candidates.show_candidates()

    def show_label(self) -> None:
        """Show the object's id."""
        label = self._session.current.label
        if label is None:
            label = 1 if self._session.labels.target is None else None
        refines = " (refines a label)" if self._session.current.draft.refines else ""
        self.set_title("Object" if label is None else f"Object {label}{refines}")

    def show_history(self) -> None:
        """Say whether there is anything to undo or redo."""
        self.buttons[Action.UNDO].setEnabled(self._session.history.journal.can_undo)
        self.buttons[Action.REDO].setEnabled(self._session.history.journal.can_redo)
