"""The choice of what is segmented, and of what segments it."""

from napari_sam.planes.contrast import Contrast
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.segment.segmentation import Setup
from napari_sam.session.batch import Batch
from napari_sam.session.everything import Everything
from napari_sam.session.notices import NoticeKind, Notices
from napari_sam.session.object.prompt_answering import PromptAnswering
from napari_sam.session.object_edits import ObjectEdits
from napari_sam.session.prompt_editor import PromptEditor
from napari_sam.session.propagation import Propagation
from napari_sam.session.status import StatusReporter
from napari_sam.session.workspace import Workspace


class ModelSelection:
    """The model, and what it is told of the size of objects; whenever either changes, prompts are answered again.

    Parameters
    ----------
    answering
        Who opens images with models.
    workspace
        The object in work.
    prompts
        Who knows earlier answers.
    everything
        What is proposed by the model.
    reporter
        What the user is told.
    """

    def __init__(
        self,
        answering: PromptAnswering,
        workspace: Workspace,
        prompts: PromptEditor,
        everything: Everything,
        reporter: StatusReporter,
    ) -> None:
        self._answering = answering
        self._workspace = workspace
        self._prompts = prompts
        self._everything = everything
        self._reporter = reporter

    @property
    def name(self) -> str:
        """Name of, or path to, the model."""
        return self._answering.model

    @property
    def setup(self) -> Setup | None:
        """Setup that computes the answers; None while no image is opened with the model."""
        opened = self._answering.opened
        return None if opened is None else opened.setup

    @property
    def object_size(self) -> float | None:
        """Diameter of objects in plane pixels that the user set, or None for auto."""
        return self._answering.object_size

    def choose(self, model: str) -> None:
        """Use another model, by name or path; the object's prompts are answered again by it."""
        if model != self._answering.model:
            self._answering.model = model
            self._answering.accepted_size = None
            self.open()

    def open(self) -> None:
        """Open the image with the model (again, if its weights are here only now); the prompts are answered again."""
        self._reporter.clear()
        self._everything.leave()
        self._answering.open()
        self._answer_again()

    @property
    def device(self) -> str:
        """Where it is computed, as it was chosen: "auto", "cpu", "cuda", "mps", or the address of another machine."""
        return self._answering.device

    def compute_on(self, device: str, token: str | None = None) -> None:
        """Compute on another device; the object's prompts are answered again there.

        Parameters
        ----------
        device
            See `device`.
        token
            What another machine knows us by.
        """
        self._answering.compute_on(device, token)
        self.open()

    def compute_here(self) -> None:
        """Compute on this machine, on the device that it likes best; another one is given up."""
        self.compute_on("auto")

    def set_object_size(self, diameter: float | None) -> None:
        """Say how large objects are, in plane pixels, or None for auto; the object's prompts are answered again."""
        if diameter != self._answering.object_size:
            self._answering.object_size = diameter
            self._reporter.error = ""
            self._answering.embed(anew=True)
            self._answer_again()

    def _answer_again(self) -> None:
        self._prompts.forget_answers()
        self._answering.ask_again(self._workspace.draft)


class ImageSelection:
    """The image, its contrast and the plane in view, with all that follows for the object in work.

    Parameters
    ----------
    answering
        Who opens images with models.
    workspace
        The object in work.
    propagation, batch, edits
        What is stopped when the image is another one.
    model
        What the image is opened with.
    reporter
        What the user is told.
    notices
        Those about the former image go with it.
    """

    def __init__(
        self,
        answering: PromptAnswering,
        workspace: Workspace,
        propagation: Propagation,
        batch: Batch,
        edits: ObjectEdits,
        model: ModelSelection,
        reporter: StatusReporter,
        notices: Notices,
    ) -> None:
        self._answering = answering
        self._workspace = workspace
        self._propagation = propagation
        self._batch = batch
        self._edits = edits
        self._model = model
        self._reporter = reporter
        self._notices = notices

    @property
    def source(self) -> ImageSource | None:
        """The image."""
        return self._answering.source

    @property
    def number(self) -> int:
        """Number that counts the images that were worked on."""
        return self._workspace.image

    @property
    def contrast(self) -> Contrast | None:
        """The limits that were given; None where they are measured."""
        return self._answering.contrast

    @property
    def plane(self) -> Plane | None:
        """The plane in view."""
        return self._answering.view.plane

    def choose(
        self, source: ImageSource | None, *, axes: tuple[int, int] = (0, 1), contrast: Contrast | None = None
    ) -> None:
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
        self._edits.stop()
        self._answering.show(source, axes, contrast)
        self._workspace.new_image()
        self._notices.show(NoticeKind.IMAGE, None)
        self._model.open()

    def set_contrast(self, contrast: Contrast | None) -> None:
        """Scale the encoder's input by other limits; None to measure them."""
        if contrast != self._answering.contrast:
            self._answering.contrast = contrast
            self._model.open()

    def set_view(self, plane: Plane, center: tuple[float, float] | None = None) -> None:
        """Say which plane is in view, and around which (row, column); it is embedded ahead of the first click."""
        if self._answering.source is None:
            return
        if plane != self._answering.view.plane:
            self._reporter.error = ""
        self._answering.look_at(plane, center)

    def clear_view(self, why: str) -> None:
        """Say that no plane of the image is in view, and why, in one sentence."""
        self._answering.look_away(why)
        self._reporter.report()
