"""The choice of the labels that objects are accepted into."""

from typing import Any

import numpy as np

from napari_sam.errors import UserError
from napari_sam.labels.edits import PixelChange
from napari_sam.labels.label_array import wider_dtype
from napari_sam.session.batch import Batch
from napari_sam.session.history.entry import EntryKind
from napari_sam.session.labels.label_writer import check_shape
from napari_sam.session.labels.target import Target
from napari_sam.session.labels_files import LabelsFiles
from napari_sam.session.notices import Notice, NoticeKind, Notices, Remedy
from napari_sam.session.object.prompt_answering import PromptAnswering
from napari_sam.session.object_edits import ObjectEdits
from napari_sam.session.objects import Objects
from napari_sam.session.record.restored import Restored
from napari_sam.session.status import SessionSignals, StatusReporter
from napari_sam.session.workspace import Workspace


class LabelSelection:
    """The labels that were chosen, now or before, with what others do to them.

    Parameters
    ----------
    workspace
        What writes the labels.
    answering
        Who knows the image.
    objects
        The accepted objects.
    edits, batch
        What may be on its way into labels that are forgotten.
    reporter
        What the user is told.
    signals
        Who tells that ids or labels are different.
    notices
        Where it stands that labels are full.
    files
        Who knows which files labels are in.
    """

    def __init__(
        self,
        workspace: Workspace,
        answering: PromptAnswering,
        objects: Objects,
        edits: ObjectEdits,
        batch: Batch,
        reporter: StatusReporter,
        signals: SessionSignals,
        notices: Notices,
        files: LabelsFiles,
    ) -> None:
        self._workspace = workspace
        self._answering = answering
        self._objects = objects
        self._edits = edits
        self._batch = batch
        self._reporter = reporter
        self._notices = notices
        self._files = files
        for signal in (signals.label_changed, signals.history_changed):
            signal.connect(self._look_whether_full)

    @property
    def target(self) -> Target | None:
        """The labels that objects are accepted into."""
        return self._workspace.writer.target

    def began_empty(self, target: Target) -> bool:
        """Tell whether there were no labels at all in a target when it was chosen, as far as that is known."""
        return self._workspace.writer.table_of(target).began_empty

    def choose(self, target: Target | None, *, next_label: int | None = None) -> None:
        """Accept objects into other labels.

        Parameters
        ----------
        target
            The labels.
        next_label
            The first free id where it is known (1 for new labels); None to find it.

        Raises
        ------
        UserError
            If the labels do not fit the image.
        """
        if target is not None:
            check_shape(target, self._answering.source)
        self._workspace.choose_target(target, next_label)

    def restore(self, target: Target, restored: Restored) -> None:
        """Accept objects into labels that were read back from disk, with all that is known of their objects.

        Raises
        ------
        UserError
            If the labels do not fit the image.
        """
        check_shape(target, self._answering.source)
        self._workspace.restore_target(target, restored)
        if restored.file is not None:
            self._files.use(target, restored.file)

    def forget(self, target: Target) -> None:
        """Forget labels that are gone, or replaced: nothing in them is undone, and nothing is written there, any more.

        Undoing an accept into them still brings the object's prompts back.
        """
        self._edits.forget(target)
        self._batch.forget(target)
        self._workspace.forget_target(target)
        self._files.forget(target)
        self._reporter.report()

    @property
    def wider(self) -> np.dtype[Any] | None:
        """The type that the chosen labels can be widened to; None where they cannot."""
        target = self.target
        # Arrays on disk would have to be written anew.
        if target is None or not isinstance(target.array, np.ndarray) or isinstance(target.array, np.memmap):
            return None
        return wider_dtype(target.array.dtype)

    def widen(self) -> None:
        """Have the chosen labels held in a wider type, into which higher ids fit; it can be undone.

        Raises
        ------
        UserError
            If there are none, they are not in memory, or of the widest type.
        """
        target, wider = self.target, self.wider
        if target is None or wider is None:
            raise UserError("These labels cannot be widened here: choose new labels to accept into.")
        self._workspace.tell_writing()
        self._reporter.clear()
        patch = self._workspace.writer.table_of(target).retype(wider)
        self._workspace.changed_labels(EntryKind.WIDEN, target, patch)
        self._reporter.note = f"'{target.name}' holds ids up to {np.iinfo(wider).max:,} now."
        self._reporter.report()

    def _look_whether_full(self) -> None:
        """Show a notice while the next object's id does not fit into the chosen labels."""
        target, free = self.target, self._workspace.writer.next_label
        dtype = None if target is None else np.dtype(target.array.dtype)
        if target is None or free is None or dtype is None or dtype.kind not in "iu" or free <= np.iinfo(dtype).max:
            self._notices.show(NoticeKind.LABELS, None)
            return
        sentence = f"'{target.name}' is full: labels of type {dtype} hold ids up to {np.iinfo(dtype).max:,}."
        if self.wider is None:
            notice = Notice(f"{sentence} Choose new labels to go on.")
        else:
            tip = "Hold the same labels in a wider type: ids, objects and colours stay, and it can be undone."
            remedy = Remedy(f"Widen to {self.wider}", tip, self.widen)
            notice = Notice(f"{sentence} Widen them to go on, or choose new labels.", (remedy,))
        self._notices.show(NoticeKind.LABELS, notice)

    def painted(self, target: Target, change: PixelChange) -> None:
        """Record that something else (a brush) changed pixels of labels: that is undone in its turn.

        Later objects get higher ids than those that were painted. Pixels that are painted while an accepted object is
        still to be written stay on top of it.

        Parameters
        ----------
        target
            The labels; strokes in labels that were never chosen are ignored.
        change
            What is different, already in the array.
        """
        if change.count and self._workspace.writer.knows(target):
            self._objects.painted(target, change)
