"""One annotation session: from prompts to accepted labels."""

from functools import partial

from napari_sam.errors import UserError
from napari_sam.session.batch import Batch
from napari_sam.session.compute.engine import Engine, NetworkEngine
from napari_sam.session.compute.scheduler import PostToMain, Scheduler, weak_callback
from napari_sam.session.current_object import CurrentObject
from napari_sam.session.everything import Everything
from napari_sam.session.label_output import LabelOutput
from napari_sam.session.label_selection import LabelSelection
from napari_sam.session.labels_files import LabelsFiles
from napari_sam.session.notice_rules import NoticeRules
from napari_sam.session.notices import Notices
from napari_sam.session.object.draft import PromptRequest
from napari_sam.session.object.prompt_answering import PromptAnswering
from napari_sam.session.object_edits import ObjectEdits
from napari_sam.session.objects import Objects
from napari_sam.session.prompt_editor import PromptEditor
from napari_sam.session.propagation import Propagation
from napari_sam.session.session_record import SessionRecord
from napari_sam.session.source_selection import ImageSelection, ModelSelection
from napari_sam.session.status import SessionSignals, State, Status, StatusReporter
from napari_sam.session.undo_redo import History
from napari_sam.session.workspace import Workspace


class Session(SessionSignals):
    """A session: objects are prompted, segmented, carried along an axis and accepted into labels, one at a time.

    A session is its parts, which say what can be done and show what there is to see; its signals tell when something
    is different. Every method is called on the main thread and returns at once; what computes goes through the
    scheduler, and the signals are emitted on the main thread. What makes no sense is refused by a `UserError`.
    Everything that changes the object in work, the labels or the table of objects is in one journal, which
    `session.history` goes through in the order in which it was done.

    Parameters
    ----------
    post_to_main
        Hands a function to the main thread, which runs it soon.
    engine
        What computes; the project's models by default.
    model
        Name of, or path to, the model.

    Attributes
    ----------
    image : ImageSelection
        The image, its contrast, and the plane in view.
    model : ModelSelection
        The model, and how large objects are.
    labels : LabelSelection
        The labels that objects are accepted into.
    current : CurrentObject
        The object in work: its masks, its id, and whether it is accepted or rejected.
    prompts : PromptEditor
        Its prompts.
    volume : Propagation
        It is carried along an axis.
    objects : Objects
        The accepted objects.
    edits : ObjectEdits
        They are merged, split, filled, smoothed, grown and shrunk.
    batch : Batch
        Many objects segmented in one go.
    everything : Everything
        Everything on a plane, found and proposed.
    history : History
        Undo and redo.
    record : SessionRecord
        What was done, and its files.
    output : LabelOutput
        The labels exported to other programs, and measured.
    notices : Notices
        What is not as it should be, as long as it is so.
    files : LabelsFiles
        The files that labels are in.
    scheduler : Scheduler
        Where everything is computed.

    Examples
    --------
    Without a window, a queue stands in for the event loop:

    >>> import queue
    >>> import numpy as np
    >>> from napari_sam import ImageSource, Plane, Point
    >>> from napari_sam.sample import StackRecipe, generate_stack
    >>> from napari_sam.session.labels.target import ArrayTarget
    >>> from napari_sam.session.session import Session
    >>> posted = queue.SimpleQueue()
    >>> session = Session(posted.put)
    >>> def settle():
    ...     while session.scheduler.wait_idle(60) and not posted.empty():
    ...         posted.get()()
    >>> sample = generate_stack(StackRecipe(shape=(8, 80, 80)), seed=2)
    >>> session.image.choose(ImageSource(sample.nuclei), axes=(1, 2))
    >>> labels = np.zeros(sample.nuclei.shape, np.uint16)
    >>> session.labels.choose(ArrayTarget(labels), next_label=1)
    >>> session.prompts.add_point(Plane((1, 2), (4, 0, 0)), Point(35, 24))
    >>> settle()
    >>> patch = session.current.accept()
    >>> known = sample.nucleus_labels == 16
    >>> found = labels == 1
    >>> print(f"IoU {(found & known)[4].sum() / (found | known)[4].sum():.2f}")
    IoU 0.92
    >>> session.history.undo()
    >>> bool(labels.any()), session.history.journal.can_redo
    (False, True)
    >>> session.close()
    True
    """

    def __init__(self, post_to_main: PostToMain, *, engine: Engine | None = None, model: str = "nano") -> None:
        engine = engine or NetworkEngine()
        self.scheduler = scheduler = Scheduler(post_to_main)
        self.notices = Notices()
        self.files = LabelsFiles(self.notices, post_to_main)
        self._reporter = reporter = StatusReporter(self, self._current_status)
        self._answering = answering = PromptAnswering(
            scheduler,
            engine,
            model,
            on_change=reporter.report,
            on_answer=self._answered,
            on_failure=self._not_answered,
            on_error=reporter.fail,
        )
        # Each part knows only those made before it; answers are passed on to those made later.
        self._workspace = workspace = Workspace(scheduler, answering, self, reporter)
        self.prompts = PromptEditor(workspace, answering, scheduler, self, reporter)
        self.volume = Propagation(scheduler, engine, workspace, answering, self, reporter)
        self.batch = Batch(scheduler, engine, workspace, answering, self, reporter)
        self.everything = Everything(scheduler, engine, workspace, answering, self.batch, self, reporter)
        self.record = SessionRecord(scheduler, workspace, answering, self, reporter, self.notices, self.files)
        self.output = LabelOutput(scheduler, workspace, answering, self.record, reporter)
        self.objects = Objects(workspace, answering, reporter, self.volume.stop)
        self.edits = ObjectEdits(scheduler, workspace, answering, self.objects, reporter, self.volume.stop)
        self.labels = LabelSelection(
            workspace, answering, self.objects, self.edits, self.batch, reporter, self, self.notices, self.files
        )
        self.model = ModelSelection(answering, workspace, self.prompts, self.everything, reporter)
        self.image = ImageSelection(
            answering, workspace, self.volume, self.batch, self.edits, self.model, reporter, self.notices
        )
        self.current = CurrentObject(workspace, self.objects, self.volume, self, reporter)
        self.history = History(workspace, self.volume, self.edits, reporter)
        self._rules = NoticeRules(workspace, answering, self, self.notices, self.model.compute_here)
        engine.watch_waiting(partial(weak_callback(scheduler.post), weak_callback(self._rules.look)))
        for signal in (self.label_changed, self.objects_changed, self.history_changed):
            signal.connect(reporter.report)
        reporter.report()

    @property
    def status(self) -> Status:
        """State of the session, and what to tell the user about it."""
        return self._reporter.status

    def cancel(self) -> None:
        """Stop propagating: the planes that were reached stay proposed; or a batch, finding everything, or an edit.

        Nothing of a batch or an edit is written then.

        Raises
        ------
        UserError
            If none of them goes on.
        """
        if self.batch.active:
            self.batch.cancel()
        elif self.everything.active:
            self.everything.cancel()
        elif self.edits.active:
            self.edits.cancel()
        elif self.volume.active:
            self.volume.cancel()
        elif self.output.measuring:
            self.output.cancel()
        else:
            raise UserError("Nothing is being propagated.")

    def close(self) -> bool:
        """Cancel everything and end the inference thread; tell whether it ended in time."""
        self.files.close()
        self._workspace.close()
        return self.scheduler.close()

    # Inside

    def _current_status(self, error: str, note: str) -> Status:
        """Find the one thing that is worth telling; `error` and `note` are the sentences for the user."""
        view, workspace = self._answering.view, self._workspace
        if self._answering.source is None:
            return Status(State.NO_IMAGE, "Choose an image.")
        if self.volume.active:
            return Status(State.PROPAGATING, error, *self.volume.progress)
        if self.batch.active:
            return Status(State.SEGMENTING, error, *self.batch.progress)
        if self.everything.active:
            return Status(State.FINDING, error, *self.everything.progress)
        if self.edits.active:
            return Status(State.EDITING, error or note, *self.edits.progress)
        if workspace.draft.in_flight or workspace.deferred:
            return Status(State.SEGMENTING, error)
        if error:
            return Status(State.ERROR, error)
        if self.output.measuring:
            return Status(State.MEASURING, "", *self.output.progress)
        if self.record.saving or self.output.exporting:
            return Status(State.SAVING, self.output.exporting)
        if view.plane is None:
            return Status(State.NO_PLANE, view.why_none)
        if view.state is State.READY:
            return Status(State.READY, note)
        return Status(view.state, note, *view.progress)

    def _answered(self, request: PromptRequest) -> None:
        """Take a request that has its answer, for the object in work or for one that was accepted since."""
        shown = request.shown
        if self._workspace.draft.requests.get(request.plane) is request and shown is not None:
            self._reporter.note = "" if shown.mask.area else "No object was found there: add a click or draw a box."
            self.masks_changed.emit()
        self._go_on()

    def _not_answered(self, request: PromptRequest, error: Exception) -> None:
        self._workspace.deferred.fail(request, error)
        self._reporter.fail(error)
        self._go_on()

    def _go_on(self) -> None:
        """Do what waited for an answer."""
        self._workspace.deferred.finish()
        if not self._workspace.draft.in_flight:
            self.volume.answered()
        self._answering.resume()
        self._reporter.report()
