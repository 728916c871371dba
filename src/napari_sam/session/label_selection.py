"""The choice of the labels that objects are accepted into."""

from napari_sam.labels.edits import PixelChange
from napari_sam.session.batch import Batch
from napari_sam.session.labels.label_writer import check_shape
from napari_sam.session.labels.target import Target
from napari_sam.session.object.prompt_answering import PromptAnswering
from napari_sam.session.objects import Objects
from napari_sam.session.record.restored import Restored
from napari_sam.session.status import StatusReporter
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
    batch
        What may be on its way into labels that are forgotten.
    reporter
        What the user is told.
    """

    def __init__(
        self,
        workspace: Workspace,
        answering: PromptAnswering,
        objects: Objects,
        batch: Batch,
        reporter: StatusReporter,
    ) -> None:
        self._workspace = workspace
        self._answering = answering
        self._objects = objects
        self._batch = batch
        self._reporter = reporter

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

    def forget(self, target: Target) -> None:
        """Forget labels that are gone, or replaced: nothing in them is undone, and nothing is written there, any more.

        Undoing an accept into them still brings the object's prompts back.
        """
        self._batch.forget(target)
        self._workspace.forget_target(target)
        self._reporter.report()

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
