"""The section about saving the labels, and going on with a session that was saved."""

from weakref import WeakKeyDictionary

from napari_sam.plugin.panel.section import Section
from napari_sam.plugin.panel.widgets import button, row
from napari_sam.session.labels.target import Target
from napari_sam.session.record.recording import Done
from napari_sam.session.session import Session


class SaveSection(Section):
    """The section about files.

    Parameters
    ----------
    session
        Whose labels.
    """

    def __init__(self, session: Session) -> None:
        super().__init__("save", "Save")
        self._session = session
        self._saved: WeakKeyDictionary[Target, tuple[Done, ...]] = WeakKeyDictionary()
        self.save_button = button(
            "Save labels…",
            "",
            "Write an OME-TIFF with the image's axes and scale, and beside it the session, to go on with or to replay.",
        )
        self.open_button = button("Open session…", "", "Go on with a saved session on the chosen image.")
        tip = "Show the last states that were saved, of this file and of others, and go back to one of them."
        self.versions_button = button("Earlier version…", "", tip)
        tip = "Write the labels for Fiji, QuPath, OME-Zarr viewers, COCO readers and others."
        self.export_button = button("Export…", "", tip)
        tip = "Measure size, shape, intensity and neighbours of all objects: a table and a plot, linked to the labels."
        self.measure_button = button("Measure", "", tip)
        self.add_row(row(self.save_button, self.export_button, self.measure_button))
        self.add_row(row(self.open_button, self.versions_button))
        session.saved.connect(self._note_saved)

    @property
    def unsaved(self) -> bool:
        """True if the chosen labels were changed since they were saved, or are about to be."""
        target, record = self._session.labels.target, self._session.record
        if target is None:
            return False
        return bool(record.waiting) or record.recordings.of(target).done != self._saved.get(target, ())

    def show_status(self) -> None:
        """Say whether there is anything to save."""
        for each in (self.save_button, self.export_button, self.measure_button):
            each.setEnabled(self._session.labels.target is not None)

    def _note_saved(self, target: Target, done: tuple[Done, ...]) -> None:
        self._saved[target] = done
