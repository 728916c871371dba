"""The choice of what is segmented, and of what segments it."""

from napari_sam.planes.contrast import Contrast
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.session.batch import Batch
from napari_sam.session.object.prompt_answering import PromptAnswering
from napari_sam.session.prompt_editor import PromptEditor
from napari_sam.session.propagation import Propagation
from napari_sam.session.status import StatusReporter
from napari_sam.session.workspace import Workspace


class SourceSelection:
    """The choice of image, model, contrast, object size or view, with all that follows for the object in work.

    Parameters
    ----------
    answering
        Who opens images with models.
    workspace
        The object in work.
    prompting
        Who knows earlier answers.
    propagation, batch
        What is stopped when the image is another one.
    reporter
        What the user is told.
    """

    def __init__(
        self,
        answering: PromptAnswering,
        workspace: Workspace,
        prompting: PromptEditor,
        propagation: Propagation,
        batch: Batch,
        reporter: StatusReporter,
    ) -> None:
        self._answering = answering
        self._workspace = workspace
        self._prompting = prompting
        self._propagation = propagation
        self._batch = batch
        self._reporter = reporter

    def set_image(self, source: ImageSource | None, axes: tuple[int, int], contrast: Contrast | None) -> None:
        """Work on another image, or none.

        The object in work is dropped, and can no longer be brought back; accepted ones stay and can still be undone.

        Parameters
        ----------
        source
            The image.
        axes
            The displayed axes, on whose planes the contrast is measured.
        contrast
            Limits that the encoder's input is scaled by; None to measure them.
        """
        self._propagation.stop()
        self._batch.stop()
        self._answering.show(source, axes, contrast)
        self._workspace.new_image()
        self.open()

    def set_model(self, model: str) -> None:
        """Use another model; the object's prompts are answered again by it."""
        if model != self._answering.model:
            self._answering.model = model
            self._answering.accepted_size = None
            self.open()

    def set_contrast(self, contrast: Contrast | None) -> None:
        """Scale the encoder's input by other limits; None to measure them."""
        if contrast != self._answering.contrast:
            self._answering.contrast = contrast
            self.open()

    def set_object_size(self, diameter: float | None) -> None:
        """Say how large objects are, in plane pixels, or None for auto; the object's prompts are answered again."""
        if diameter != self._answering.object_size:
            self._answering.object_size = diameter
            self._reporter.error = ""
            self._answering.embed(anew=True)
            self._answer_again()

    def open(self) -> None:
        """Open the image with the model, and have the object's prompts answered again."""
        self._reporter.clear()
        self._answering.open()
        self._answer_again()

    def look_at(self, plane: Plane, center: tuple[float, float] | None) -> None:
        """Embed a plane that is in view, around a (row, column), ahead of the first click."""
        if self._answering.source is None:
            return
        if plane != self._answering.view.plane:
            self._reporter.error = ""
        self._answering.look_at(plane, center)

    def look_away(self, why: str) -> None:
        """Note that no plane of the image is in view, for a reason told in one sentence."""
        self._answering.look_away(why)
        self._reporter.report()

    def _answer_again(self) -> None:
        self._prompting.forget_answers()
        self._answering.ask_again(self._workspace.draft)
