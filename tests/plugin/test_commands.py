"""The commands of napari's palette act on the panel of the window that they are called in."""

import pytest
import tifffile
from napari.utils.notifications import notification_manager
from npe2 import PluginManifest
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog
from session_deeds import Z4

import napari_sam
from napari_sam.planes.image_source import ImageSource
from napari_sam.plugin import commands
from napari_sam.plugin.segment_widget import SegmentWidget
from napari_sam.session.record.log_folder import sessions_folder
from napari_sam.testing.fake_engine import FakeEngine, blobs
from scripts.unfinished_session import leave_unfinished

MANIFEST = PluginManifest.from_file(f"{napari_sam.__path__[0]}/napari.yaml")
A, B = (12, 12), (28, 34)
WITH_PANEL = ["accept", "reject", "next_object", "propagate", "stop", "undo", "redo", "save_labels"]


def run(name: str) -> None:
    """Run a command as the palette does: napari hands it the viewer in front."""
    from napari._app_model import get_app_model

    get_app_model().commands.execute_command(f"napari-sam-stacks.{name}").result()


@pytest.fixture(autouse=True)
def _registered(npe2pm, monkeypatch):
    npe2pm.register(MANIFEST)
    # A panel that a command opens computes with the fake engine too.
    monkeypatch.setattr("napari_sam.plugin.segment_widget.NetworkEngine", lambda *_: FakeEngine())


@pytest.fixture
def said(monkeypatch) -> list[str]:
    said = []
    notification_manager.notification_ready.connect(lambda each: said.append(each.message))
    return said


def test_accept_undo_redo_and_next_object(desk) -> None:
    desk.click(A)
    run("accept")
    assert (desk.labels == 1).sum() == 81
    run("undo")
    assert not desk.labels.any()
    run("redo")
    assert (desk.labels == 1).sum() == 81
    desk.click(B)
    run("next_object")
    assert desk.labels[4, 28, 34] == 2
    assert not desk.session.current.draft


def test_reject_propagate_and_stop(desk) -> None:
    desk.click(A)
    run("propagate")
    desk.hand.until(lambda: not desk.session.volume.active)
    assert len(desk.session.current.draft.proposal) > 3
    run("reject")
    assert not desk.session.current.draft.proposal
    assert desk.session.current.draft
    desk.engine.delay = 0.05
    run("propagate")
    desk.hand.until(lambda: len(desk.session.current.draft.proposal) >= 2)
    run("stop")
    assert not desk.session.volume.active
    run("reject")
    run("reject")
    assert not desk.session.current.draft


def test_save_labels_and_open_session(desk, monkeypatch, tmp_path) -> None:
    path = tmp_path / "made.ome.tif"
    desk.click(A)
    run("accept")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    run("save_labels")
    desk.hand.until(lambda: not desk.widget.autosave.unsaved)
    assert (tifffile.imread(path) == desk.labels).all()
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(tmp_path / "made.session.json"), ""))
    before = desk.widget.controller.target_layer
    run("open_session")
    desk.hand.until(lambda: desk.widget.controller.target_layer is not before)
    assert (desk.labels == 1).sum() == 81


def test_restore_session(desk) -> None:
    leave_unfinished(ImageSource(blobs(), scale=(1.0, 1.0, 1.0)), sessions_folder(), 2)
    run("restore_session")
    desk.hand.until(lambda: desk.widget.controller.target_layer is not None)
    assert desk.labels.any()
    desk.ready()


def test_there_may_be_nothing_to_restore(desk) -> None:
    run("restore_session")
    desk.hand.until(lambda: desk.widget.status.message.text() == "There is no unfinished session.")


@pytest.mark.parametrize("name", WITH_PANEL)
def test_without_the_panel_one_sentence_is_said(name, make_napari_viewer, said) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.add_image(blobs())
    run(name)
    assert said == [commands.NO_PANEL]
    assert commands.panel_in(viewer) is None
    assert len(viewer.layers) == 1


@pytest.mark.parametrize("name", ["open_session", "restore_session"])
def test_what_goes_on_with_earlier_work_opens_the_panel(name, make_napari_viewer, monkeypatch, tmp_path) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.add_image(blobs())
    asked = []
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: asked.append(True) or ("", ""))
    run(name)
    panel = commands.panel_in(viewer)
    assert panel is not None
    assert bool(asked) == (name == "open_session")
    QTest.qWait(100)
    assert panel.isVisible()
    # The menu's own entry finds this panel: no second one is made.
    run("segment")
    assert not panel.isVisible()
    assert len([each for each in viewer.window.dock_widgets.values() if isinstance(each, SegmentWidget)]) == 1
    run("segment")
    assert panel.isVisible()
    del panel


def test_a_panel_out_of_sight_is_acted_on_and_what_it_tells_is_shown(desk, said) -> None:
    desk.click(A)
    desk.dock.setVisible(False)
    run("accept")
    assert (desk.labels == 1).sum() == 81
    assert said == []
    run("accept")
    assert said == ["There is nothing to accept: click an object first."]


def test_without_labels_a_panel_out_of_sight_says_so(desk, said) -> None:
    desk.dock.setVisible(False)
    run("save_labels")
    assert said == ["There are no labels to save yet: accept an object first."]


def test_restoring_brings_the_panel_into_sight(desk) -> None:
    desk.dock.setVisible(False)
    run("restore_session")
    assert desk.widget.isVisible()
    desk.hand.until(lambda: desk.widget.status.message.text() == "There is no unfinished session.")


def test_a_panel_that_was_closed_is_no_panel(desk, said) -> None:
    desk.viewer.window.remove_dock_widget(desk.widget)
    run("undo")
    assert said == [commands.NO_PANEL]


def test_each_window_has_its_own_panel(make_desk, make_napari_viewer) -> None:
    first, second = make_desk(), make_desk()
    assert commands.panel_in(first.viewer) is first.widget
    assert commands.panel_in(second.viewer) is second.widget
    second.viewer.dims.set_current_step(0, 4)
    second.hand.until(lambda: second.session.image.plane == Z4)
    second.ready()
    commands.accept_command(first.viewer)
    assert first.widget.status.message.text()
    assert not second.widget.status.message.text()


def test_every_command_is_in_the_palette_and_the_menus_are_filled(make_napari_viewer) -> None:
    from napari._app_model import get_app_model

    make_napari_viewer()
    app = get_app_model()
    shown = {item.command.id: item.command for item in app.menus.get_menu(app.menus.COMMAND_PALETTE_ID)}
    for name in [*WITH_PANEL, "open_session", "restore_session"]:
        assert shown[f"napari-sam-stacks.{name}"].title.startswith("Segment: ")
    assert not shown["napari-sam-stacks.write_ome_tiff"].enablement.eval({})
    segment = [item.command.title for item in app.menus.get_menu("napari/layers/segment")]
    assert commands.PANEL in segment
    assert "Segment: accept object (SAM for stacks)" in segment
    annotate = [item.command.title for item in app.menus.get_menu("napari/layers/annotate")]
    assert commands.PANEL in annotate
