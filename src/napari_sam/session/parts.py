"""The parts of a session, put together."""

from napari_sam.session.batch import Batch
from napari_sam.session.compute.engine import Engine
from napari_sam.session.compute.scheduler import PostToMain, Scheduler
from napari_sam.session.decisions import Decisions
from napari_sam.session.object.draft import PromptRequest
from napari_sam.session.object.prompt_answering import PromptAnswering
from napari_sam.session.objects import Objects
from napari_sam.session.prompt_editor import PromptEditor
from napari_sam.session.propagation import Propagation
from napari_sam.session.session_saver import SessionSaver
from napari_sam.session.source_selection import SourceSelection
from napari_sam.session.status import SessionSignals, State, Status, StatusReporter
from napari_sam.session.workspace import Workspace


def current_status(
    answering: PromptAnswering,
    workspace: Workspace,
    propagation: Propagation,
    batch: Batch,
    saving: SessionSaver,
    error: str,
    note: str,
) -> Status:
    """Find the one thing that is worth telling; `error` and `note` are the sentences for the user."""
    view = answering.view
    if answering.source is None:
        return Status(State.NO_IMAGE, "Choose an image.")
    if propagation.active:
        return Status(State.PROPAGATING, error, *propagation.progress)
    if batch.active:
        return Status(State.SEGMENTING, error, *batch.progress)
    if workspace.draft.in_flight or workspace.deferred:
        return Status(State.SEGMENTING, error)
    if error:
        return Status(State.ERROR, error)
    if saving.active:
        return Status(State.SAVING)
    if view.plane is None:
        return Status(State.NO_PLANE, view.why_none)
    if view.state is State.READY:
        return Status(State.READY, note)
    return Status(view.state, note, *view.progress)


class SessionParts:
    """The parts, each of which knows only those made before it; answers are passed on to those made later.

    Parameters
    ----------
    signals
        Of the session.
    post_to_main
        Hands a function to the main thread, which runs it soon.
    engine
        What computes.
    model
        Name of, or path to, the model.
    """

    def __init__(self, signals: SessionSignals, post_to_main: PostToMain, engine: Engine, model: str) -> None:
        self._signals = signals
        self.scheduler = scheduler = Scheduler(post_to_main)
        self.reporter = reporter = StatusReporter(signals, self._status)
        self.answering = answering = PromptAnswering(
            scheduler,
            engine,
            model,
            on_change=reporter.report,
            on_answer=self._answered,
            on_failure=self._not_answered,
            on_error=reporter.fail,
        )
        self.workspace = workspace = Workspace(scheduler, answering, signals, reporter)
        self.prompting = PromptEditor(workspace, answering, scheduler, signals, reporter)
        self.propagation = Propagation(scheduler, engine, workspace, answering, signals, reporter)
        self.batch = Batch(scheduler, workspace, answering, signals, reporter)
        self.saving = SessionSaver(scheduler, workspace, answering, signals, reporter)
        self.objects = Objects(workspace, answering, reporter, self.propagation.stop)
        self.opening = SourceSelection(answering, workspace, self.prompting, self.propagation, self.batch, reporter)
        self.deciding = Decisions(workspace, self.objects, self.propagation, signals, reporter)
        for signal in (signals.label_changed, signals.objects_changed, signals.history_changed):
            signal.connect(reporter.report)
        reporter.report()

    def _status(self, error: str, note: str) -> Status:
        return current_status(self.answering, self.workspace, self.propagation, self.batch, self.saving, error, note)

    def _answered(self, request: PromptRequest) -> None:
        """Take a request that has its answer, for the object in work or for one that was accepted since."""
        shown = request.shown
        if self.workspace.draft.requests.get(request.plane) is request and shown is not None:
            self.reporter.note = "" if shown.mask.area else "No object was found there: add a click or draw a box."
            self._signals.masks_changed.emit()
        self._go_on()

    def _not_answered(self, request: PromptRequest, error: Exception) -> None:
        self.workspace.deferred.fail(request, error)
        self.reporter.fail(error)
        self._go_on()

    def _go_on(self) -> None:
        """Do what waited for an answer."""
        self.workspace.deferred.finish()
        if not self.workspace.draft.in_flight:
            self.propagation.answered()
        self.answering.resume()
        self.reporter.report()
