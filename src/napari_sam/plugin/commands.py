"""The commands of napari's palette and menus: each does what a key or button of the open panel does.

They find the panel in the window that they are called in. Those that go on with work of before open it if need be;
the others have nothing to act on without it, and say so.
"""

from collections.abc import Callable

from napari.utils.notifications import show_info
from napari.viewer import Viewer

from napari_sam.plugin.actions import Action
from napari_sam.plugin.napari_internals import docked_widgets, unwrapped
from napari_sam.plugin.segment_widget import SegmentWidget

PANEL = "Segment (SAM for stacks)"
"""Name that napari's menu gives the panel's dock: under it the menu finds a panel that a command has opened."""
NO_PANEL = f"Nothing is being segmented in this window: open the panel first (Plugins > {PANEL})."


def accept_command(viewer: Viewer) -> None:
    """Accept the object in work."""
    _do(viewer, Action.ACCEPT)


def reject_command(viewer: Viewer) -> None:
    """Reject the propagated planes; if there are none, the object in work."""
    _do(viewer, Action.REJECT)


def next_object_command(viewer: Viewer) -> None:
    """Leave the object in work, and start the next one."""
    _do(viewer, Action.NEXT)


def propagate_command(viewer: Viewer) -> None:
    """Carry the object in work through the stack."""
    _do(viewer, Action.PROPAGATE)


def propagate_all_command(viewer: Viewer) -> None:
    """Carry all accepted objects of the plane in view through the stack."""
    _do(viewer, Action.PROPAGATE_ALL)


def next_doubtful_command(viewer: Viewer) -> None:
    """Go to the next propagated plane that is worth a look."""
    _do(viewer, Action.NEXT_DOUBTFUL)


def find_everything_command(viewer: Viewer) -> None:
    """Propose all objects of the plane in view."""
    _do(viewer, Action.FIND)


def find_alike_command(viewer: Viewer) -> None:
    """Propose the objects of the plane in view that are like the selected ones."""
    _do(viewer, Action.FIND_ALIKE)


def accept_found_command(viewer: Viewer) -> None:
    """Accept all objects that are proposed."""
    _do(viewer, Action.ACCEPT_FOUND)


def discard_found_command(viewer: Viewer) -> None:
    """Drop all objects that are proposed."""
    _do(viewer, Action.DISCARD_FOUND)


def merge_command(viewer: Viewer) -> None:
    """Merge the selected objects."""
    _do(viewer, Action.MERGE)


def split_command(viewer: Viewer) -> None:
    """Let clicks split an object, or split it by those that were given."""
    _do(viewer, Action.SPLIT)


def fill_holes_command(viewer: Viewer) -> None:
    """Fill the holes of objects."""
    _do(viewer, Action.FILL_HOLES)


def keep_largest_command(viewer: Viewer) -> None:
    """Keep the largest part of objects."""
    _do(viewer, Action.KEEP_LARGEST)


def smooth_command(viewer: Viewer) -> None:
    """Smooth objects."""
    _do(viewer, Action.SMOOTH)


def grow_command(viewer: Viewer) -> None:
    """Grow objects."""
    _do(viewer, Action.GROW)


def shrink_command(viewer: Viewer) -> None:
    """Shrink objects."""
    _do(viewer, Action.SHRINK)


def stop_command(viewer: Viewer) -> None:
    """Stop propagating, or making or finding many objects."""
    _do(viewer, Action.CANCEL)


def undo_command(viewer: Viewer) -> None:
    """Take back what was done last."""
    _do(viewer, Action.UNDO)


def redo_command(viewer: Viewer) -> None:
    """Do again what was undone last."""
    _do(viewer, Action.REDO)


def save_labels_command(viewer: Viewer) -> None:
    """Ask where to, and save the labels with their session there."""
    _with_panel(viewer, lambda panel: panel.ask_and_save())


def do_to_folder_command(viewer: Viewer) -> None:
    """Show what was found last as a recipe, and do it to a folder of images."""
    _with_panel(viewer, lambda panel: panel.do_to_folder())


def export_labels_command(viewer: Viewer) -> None:
    """Ask in which format and where to, and export the labels there."""
    _with_panel(viewer, lambda panel: panel.ask_and_export())


def measure_command(viewer: Viewer) -> None:
    """Measure the objects, in a dock of their own."""
    _with_panel(viewer, lambda panel: panel.measure())


def open_session_command(viewer: Viewer) -> None:
    """Ask which saved session to go on with; the panel opens if it is not."""
    _act(_opened(viewer), lambda panel: panel.ask_and_open())


def open_version_command(viewer: Viewer) -> None:
    """Show what was saved before, to go back to it; the panel opens if it is not."""
    _act(_opened(viewer), lambda panel: panel.show_versions())


def restore_session_command(viewer: Viewer) -> None:
    """Bring the latest session back that was not saved; the panel opens if it is not."""
    _act(_opened(viewer), lambda panel: panel.restore_session())


def panel_in(viewer: Viewer) -> SegmentWidget | None:
    """Find the panel in a viewer's window: one that is shown before one that is hidden; None without one."""
    found = [
        widget
        for widget in docked_widgets(viewer)
        if isinstance(widget, SegmentWidget) and unwrapped(widget.viewer) is unwrapped(viewer)
    ]
    return next((panel for panel in found if panel.isVisible()), found[0] if found else None)


def _opened(viewer: Viewer) -> SegmentWidget:
    """Find the panel, or open one; it comes out from behind a tab, or from being hidden."""
    panel = panel_in(viewer)
    if panel is not None:
        dock = panel.parentWidget()
        if dock is not None and not panel.isVisible():
            dock.show()
            dock.raise_()
    else:
        panel = SegmentWidget(unwrapped(viewer))
        unwrapped(viewer).window.add_dock_widget(panel, name=PANEL, area="right")
    return panel


def _do(viewer: Viewer, action: Action) -> None:
    _with_panel(viewer, lambda panel: panel.controller.do(action))


def _with_panel(viewer: Viewer, deed: Callable[[SegmentWidget], None]) -> None:
    panel = panel_in(viewer)
    if panel is None:
        show_info(NO_PANEL)
    else:
        _act(panel, deed)


def _act(panel: SegmentWidget, deed: Callable[[SegmentWidget], None]) -> None:
    """Do something in a panel; what it tells is shown by napari where the panel itself is out of sight."""
    told = ""

    def note(sentence: str) -> None:
        nonlocal told
        told = sentence

    panel.controller.told.connect(note)
    try:
        deed(panel)
    finally:
        panel.controller.told.disconnect(note)
    if told and not panel.isVisible():
        show_info(told)
