"""The overview: all there is to see of a session."""

from collections.abc import Mapping

from napari_sam.planes.contrast import Contrast
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Prompts
from napari_sam.segment.segmentation import Setup
from napari_sam.session.deferred_accepts import DeferredAccept
from napari_sam.session.history.entry import Entry
from napari_sam.session.history.journal import Journal
from napari_sam.session.labels.target import Target
from napari_sam.session.object.draft import Draft
from napari_sam.session.parts import SessionParts
from napari_sam.session.record.recording import Recordings
from napari_sam.session.status import SessionSignals, Status


class SessionOverview(SessionSignals):
    """The state of a session, to be read; its signals tell when that is different.

    Parameters
    ----------
    parts
        What the session consists of.

    Attributes
    ----------
    scheduler : Scheduler
        Where everything is computed.
    objects : Objects
        The accepted objects.
    """

    def __init__(self, parts: SessionParts) -> None:
        self.scheduler = parts.scheduler
        self.objects = parts.objects
        self._reporter = parts.reporter
        self._answering = parts.answering
        self._workspace = parts.workspace
        self._propagation = parts.propagation
        self._batch = parts.batch

    @property
    def status(self) -> Status:
        """State of the session, and what to tell the user about it."""
        return self._reporter.status

    # What it works on

    @property
    def source(self) -> ImageSource | None:
        """The image."""
        return self._answering.source

    @property
    def image(self) -> int:
        """Number that counts the images that were worked on."""
        return self._workspace.image

    @property
    def contrast(self) -> Contrast | None:
        """The limits that were given; None where they are measured."""
        return self._answering.contrast

    @property
    def model(self) -> str:
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

    @property
    def plane(self) -> Plane | None:
        """The plane in view."""
        return self._answering.view.plane

    # The object in work

    @property
    def draft(self) -> Draft:
        """The object being worked on."""
        return self._workspace.draft

    @property
    def current_label(self) -> int | None:
        """The id that the object being worked on will get; None while that is not known."""
        return self._workspace.current_label

    def prompts(self, plane: Plane) -> Prompts:
        """Return the object's prompts on one plane."""
        return self.draft.prompts.get(plane, Prompts())

    @property
    def propagating(self) -> bool:
        """True if the object is being carried along an axis, or is about to be."""
        return self._propagation.active

    @property
    def batching(self) -> bool:
        """True if several objects are being segmented in one go."""
        return self._batch.active

    # What was done

    @property
    def target(self) -> Target | None:
        """The labels that objects are accepted into."""
        return self._workspace.writer.target

    def began_empty(self, target: Target) -> bool:
        """Tell whether there were no labels at all in a target when it was chosen, as far as that is known."""
        return self._workspace.writer.table_of(target).began_empty

    @property
    def journal(self) -> Journal:
        """Journal of everything that was done, and can be undone."""
        return self._workspace.journal

    @property
    def waiting(self) -> Mapping[Entry, DeferredAccept]:
        """Accepted objects that are yet to be written, by their accepts, in the order of these."""
        return self._workspace.deferred.waiting

    @property
    def recording(self) -> Recordings:
        """Recordings of what was done to labels and not undone, so that it can be written down."""
        return self._workspace.recording
