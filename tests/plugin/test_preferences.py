"""What the user chose in napari's Preferences, or in the file before there were any, is what the panel begins with."""

from dataclasses import replace

import pytest
from napari.settings import get_plugin_settings
from npe2 import PluginManifest

import napari_sam
from napari_sam.errors import UserError
from napari_sam.labels.paint import Collision
from napari_sam.models.registry import REGISTRY
from napari_sam.planes.image_source import ImageSource
from napari_sam.plugin.panel.device_choice import OtherMachine
from napari_sam.plugin.preferences import (
    LARGEST_OBJECT,
    LEAST_MEGABYTES,
    MOST_MEGABYTES,
    PLACES,
    PLUGIN,
    Device,
    Preferences,
    checked,
    preferences,
)
from napari_sam.plugin.segment_widget import SegmentWidget
from napari_sam.plugin.settings import recall, remember
from napari_sam.session.compute.engine import NetworkEngine
from napari_sam.session.record.log_folder import sessions_folder
from napari_sam.testing.fake_engine import FakeEngine, blobs
from napari_sam.testing.plugin_in_viewer import DockedPlugin

OTHERS = Preferences("vit_b", 30, Collision.ASK, Device.CPU, 512, False, 100)
AS_STORED = {
    "model": "vit_b",
    "object_size": 30,
    "collision": "ask",
    "device": "cpu",
    "embedding_megabytes": 512,
    "autosave": False,
    "versions_megabytes": 100,
}


@pytest.fixture
def npe2_without_others(npe2pm):
    npe2pm.register(MANIFEST)
    return npe2pm


MANIFEST = PluginManifest.from_file(f"{napari_sam.__path__[0]}/napari.yaml")


@pytest.fixture
def chosen(npe2_without_others):
    """What napari's Preferences hold of this plugin."""
    return get_plugin_settings(PLUGIN)


@pytest.fixture
def older_napari(monkeypatch) -> None:
    monkeypatch.delattr("napari.settings.get_plugin_settings")


def choose(settings, values: dict) -> None:
    for name, (category, key) in PLACES.items():
        setattr(getattr(settings, category), key, values[name])


def test_the_manifest_declares_the_same() -> None:
    declared = {
        (category, key): each
        for category, group in MANIFEST.contributions.configurations.items()
        for key, each in group.properties.items()
    }
    assert set(declared) == set(PLACES.values())
    default = Preferences()
    for name, place in PLACES.items():
        assert declared[place].default == getattr(default, name)
        assert "when the panel is opened next" in declared[place].description
    assert declared[PLACES["model"]].enum == list(REGISTRY)
    assert declared[PLACES["collision"]].enum == list(Collision)
    assert declared[PLACES["device"]].enum == list(Device)
    for name, bounds in (
        ("object_size", (0, LARGEST_OBJECT)),
        ("embedding_megabytes", (LEAST_MEGABYTES, MOST_MEGABYTES)),
    ):
        assert (declared[PLACES[name]].minimum, declared[PLACES[name]].maximum) == bounds


def test_nothing_chosen_is_the_defaults(chosen) -> None:
    assert preferences() == Preferences()


def test_what_is_chosen_in_napari_counts_and_is_remembered_for_older_ones(chosen, monkeypatch) -> None:
    choose(chosen, AS_STORED)
    assert preferences() == OTHERS
    monkeypatch.delattr("napari.settings.get_plugin_settings")
    assert preferences() == OTHERS
    assert recall("preferences") == AS_STORED


def test_an_older_napari_reads_the_file(older_napari) -> None:
    assert preferences() == Preferences()
    remember("preferences", AS_STORED)
    assert preferences() == OTHERS


def test_a_plugin_that_napari_does_not_know_reads_the_file(npe2pm) -> None:
    remember("preferences", AS_STORED)
    assert preferences() == OTHERS


@pytest.mark.parametrize("values", [None, 1, [], {}, dict.fromkeys(AS_STORED, None), dict.fromkeys(AS_STORED, ())])
def test_what_makes_no_sense_is_the_default(values) -> None:
    assert checked(values) == Preferences()


@pytest.mark.parametrize(
    "value",
    [
        {"object_size": -1},
        {"object_size": True},
        {"object_size": 1.5},
        {"embedding_megabytes": 1},
        {"device": "abacus"},
        {"model": "vit_z"},
        {"collision": "fight"},
        {"autosave": 0},
        {"versions_megabytes": -1},
    ],
    ids=str,
)
def test_one_bad_value_leaves_the_others(value) -> None:
    (name,) = value
    assert checked(AS_STORED | value) == replace(OTHERS, **{name: getattr(Preferences(), name)})


def test_the_dialog_shows_them_and_its_choice_counts(make_napari_viewer, npe2_without_others, qtbot) -> None:
    from napari._qt.dialogs.preferences_dialog import PreferencesDialog
    from napari._vendor.qt_json_builder.qt_jsonschema_form.widgets import FormWidget

    # Its page of shortcuts wants napari's own actions, which come with a viewer.
    make_napari_viewer()
    dialog = PreferencesDialog()
    qtbot.addWidget(dialog)
    pages = [dialog._list.item(row).text() for row in range(dialog._list.count())]
    assert "SAM for stacks" in pages
    page = dialog._stack.widget(pages.index("SAM for stacks"))
    forms = [each for each in page.widget().children() if isinstance(each, FormWidget)]
    assert len(forms) == 3
    start, computing, safety = (form.widget for form in forms)
    assert start.state["model"] == "nano"
    start.widgets["object_size"].state = 30
    start.widgets["collision"].state = "ask"
    computing.widgets["device"].state = "cpu"
    safety.widgets["autosave"].state = False
    dialog.accept()
    assert preferences() == Preferences("nano", 30, Collision.ASK, Device.CPU, 768, False)


def test_the_panel_begins_with_them(make_napari_viewer, older_napari) -> None:
    remember("preferences", AS_STORED)
    desk = DockedPlugin(make_napari_viewer(show=True), FakeEngine(), blobs())
    assert desk.session.model.name == "vit_b"
    assert desk.widget.choices.model.currentData() == "vit_b"
    assert desk.session.model.object_size == 30
    assert desk.widget.choices.object_size.value() == 30
    assert desk.widget.controller.collision is Collision.ASK
    assert desk.widget.object.collision.choices[Collision.ASK].isChecked()
    desk.click((12, 12))
    desk.widget.choices.object_size.setValue(0)
    assert desk.session.model.object_size is None
    assert list(sessions_folder().iterdir()) == []
    desk.session.model.set_object_size(50)
    desk.hand.until(lambda: desk.widget.choices.object_size.value() == 50)
    vars(desk).clear()


@pytest.mark.parametrize("chosen", [False, True])
def test_the_panel_computes_where_it_is_told_to(make_napari_viewer, older_napari, monkeypatch, chosen: bool) -> None:
    made = []

    def engine(*how) -> FakeEngine:
        made.append(how)
        return FakeEngine()

    monkeypatch.setattr("napari_sam.plugin.segment_widget.NetworkEngine", engine)
    remember("preferences", AS_STORED)
    OtherMachine("http://box:8765", "token", chosen).remember()
    viewer = make_napari_viewer()
    viewer.window.add_dock_widget(SegmentWidget(viewer), name="Segment")
    assert made == [("http://box:8765", 512 * 2**20, "token") if chosen else ("cpu", 512 * 2**20, None)]


def test_the_engine_computes_there_and_keeps_no_more() -> None:
    opened = NetworkEngine("cpu", 2**20).open("nano", ImageSource(blobs()), None, (1, 2))
    assert opened.setup.device == "cpu"
    assert opened.embedder._store.max_bytes == 2**20
    with pytest.raises(UserError, match="The device abacus cannot be used here; choose auto or cpu"):
        NetworkEngine("abacus").open("nano", ImageSource(blobs()), None, (1, 2))
