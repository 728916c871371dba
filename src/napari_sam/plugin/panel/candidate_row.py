"""The candidates of an ambiguous click, to choose among."""

from functools import partial

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from napari_sam.plugin.actions import CONTROLS, Action
from napari_sam.plugin.controller import SegmentController
from napari_sam.plugin.panel.parts import SPACING

MOST = 3


class CandidateRow(QWidget):
    """Which of the candidates is shown, and a small button for each with its predicted IoU.

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
        self.label.setToolTip(f"{control.tip} Key: {control.shown}, or Shift and the mouse wheel.")
        self.buttons = [QPushButton() for _ in range(MOST)]
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING)
        layout.addWidget(self.label, 1)
        for at, button in enumerate(self.buttons):
            button.setCheckable(True)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.clicked.connect(partial(self._choose, at))
            layout.addWidget(button)
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
                f"Candidate {answer.chosen + 1} of {len(answer.candidates)}, "
                f"IoU {as_share(answer.mask.score)}  [{CONTROLS[Action.CANDIDATE].shown}]"
            )
            scores = [as_share(mask.score) for mask in answer.candidates]
        for at, button in enumerate(self.buttons):
            here = answer is not None and at < len(answer.candidates)
            button.setText(scores[at] if here else "--")
            button.setVisible(here or answer is None)
            button.setChecked(answer is not None and at == answer.chosen)
            if answer is not None and here:
                area = answer.candidates[at].area
                button.setEnabled(bool(area))
                button.setToolTip(f"Candidate {at + 1}: predicted IoU {scores[at]}, {area} pixels.")

    def _choose(self, at: int, _: bool = False) -> None:
        self._controller.try_to(partial(self._controller.candidates.choose, at))
        self.show_candidates()


def as_share(value: float) -> str:
    """A number between 0 and 1 in two digits, as ".87"."""
    return f"{value:.2f}".removeprefix("0")
