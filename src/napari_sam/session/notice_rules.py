"""The rules by which a session's own notices come and go: answers that are behind, a device that does not do."""

from collections.abc import Callable

from napari_sam.session.notices import Notice, NoticeKind, Notices, Remedy
from napari_sam.session.object.prompt_answering import PromptAnswering
from napari_sam.session.status import SessionSignals
from napari_sam.session.workspace import Workspace

PATIENCE_S = 0.4
"""Answers that come sooner are waited for without a word."""


class NoticeRules:
    """The rules that look at a session whenever it tells of a change.

    Parameters
    ----------
    workspace
        The object in work.
    answering
        Who answers its prompts, and where.
    signals
        Who tells of changes.
    notices
        Where they are shown.
    compute_here
        Has this machine compute from now on.
    """

    def __init__(
        self,
        workspace: Workspace,
        answering: PromptAnswering,
        signals: SessionSignals,
        notices: Notices,
        compute_here: Callable[[], None],
    ) -> None:
        self._workspace = workspace
        self._answering = answering
        self._notices = notices
        self._compute_here = compute_here
        for signal in (signals.status_changed, signals.masks_changed, signals.prompts_changed):
            signal.connect(self.look)

    def look(self) -> None:
        """Show what is true now."""
        self._notices.show(NoticeKind.ANSWER, self._answer())
        self._notices.show(NoticeKind.MACHINE, self._machine())
        self._notices.show(NoticeKind.DEVICE, self._device())

    def _answer(self) -> Notice | None:
        """Say that the mask on the screen is the answer to former prompts, or that there is none to these."""
        draft = self._workspace.draft
        old = [request for request in draft.requests.values() if request.answer is None and request.prompts]
        # Where nothing is shown yet, nothing that is shown can be taken for the answer.
        shown = [request for request in old if request.former is not None]
        if any(request.failed for request in old):
            return Notice(
                "The mask does not include your last click: it could not be computed. Take the click back (U) or click "
                "again.",
            )
        if any(request.in_flight for request in shown):
            return Notice(
                "The mask does not include your last click yet: it is being computed.",
                grave=False,
                patience=PATIENCE_S,
            )
        return None

    def _machine(self) -> Notice | None:
        """Say that the machine that computes does not answer; what was asked is kept, and asked again."""
        opened = self._answering.opened
        if opened is None or not opened.waiting:
            return None
        here = Remedy(
            "Compute here",
            "Give that machine up: this one answers from now on, on its own device.",
            self._compute_here,
        )
        return Notice(f"{opened.waiting} Nothing is lost.", (here,), grave=False)

    def _device(self) -> Notice | None:
        opened = self._answering.opened
        if opened is None or not opened.fell_back:
            return None
        advice = "Choose a smaller model, or close what else uses the card and open the panel anew."
        return Notice(f"{opened.fell_back} {advice}", grave=False)
