"""napari's private names are in one file; where one is missing, the plugin goes another way.

Seen in napari 0.9.2. `test_it_is_there` fails in a version that lacks a name, and says so before users notice that
something has become slower; the tests after it show that nothing else happens.
"""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from napari._qt.qt_main_window import Window
from napari.components import ViewerModel
from napari.layers import Labels, Shapes
from napari.layers.base import Layer
from napari.utils._proxies import PublicOnlyProxy
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QLabel

import napari_sam
from napari_sam.plugin import napari_internals
from napari_sam.plugin.layers.layer_sync import refresh_box
from napari_sam.plugin.napari_internals import (
    camera_of,
    canvas_position,
    canvas_widget,
    docked_widgets,
    finish_drawing,
    forget_colours,
    forget_history,
    is_drawing,
    one_refresh,
    unwrapped,
    upload_box,
)
from napari_sam.testing.fake_engine import blobs

SEEN_IN = "0.9.2"
BOX = (slice(2, 5), slice(10, 20), slice(30, 60))
ONE = Labels(np.zeros((1, 1), np.uint8))
HOUSE = Path(napari_sam.__file__).parent


@pytest.fixture
def layer() -> Labels:
    viewer = ViewerModel()
    layer = viewer.add_labels(np.zeros((6, 40, 70), np.uint16))
    viewer.dims.set_current_step(0, 3)
    return layer


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (Labels, "_get_pt_not_disp"),
        (Labels, "_update_thumbnail"),
        (ONE, "_slice"),
        (ONE.colormap, "_data_to_texture"),
        (ONE, "_undo_history"),
        (ONE, "_redo_history"),
        (Layer, "_block_refresh"),
        (PublicOnlyProxy(ONE), "__wrapped__"),
        (Window, "dock_widgets"),
        (Shapes, "_finish_drawing"),
        (Shapes(ndim=2), "_is_creating"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_it_is_there(owner, name) -> None:
    assert hasattr(owner, name), f"it was there in napari {SEEN_IN}"


def test_the_canvas_is_there(make_napari_viewer) -> None:
    canvas = make_napari_viewer().window._qt_viewer.canvas
    assert canvas.native is not None
    assert callable(canvas._scene_canvas.set_current)
    assert callable(canvas._scene_canvas.context.glir.command)
    assert callable((canvas.view.transform * canvas.view.scene.transform).map)


@pytest.mark.parametrize("name", ["_slice", "_get_pt_not_disp", "_update_thumbnail"])
def test_without_a_name_of_the_layer_all_of_it_is_refreshed(layer, name) -> None:
    class Other(Labels):
        def __getattribute__(self, asked: str):
            if asked == name and inspect.stack()[1].filename == napari_internals.__file__:
                raise AttributeError(asked)
            return super().__getattribute__(asked)

    layer.__class__ = Other
    refreshed = []
    layer.events.set_data.connect(refreshed.append)
    layer.data[BOX] = 7
    assert not upload_box(layer, BOX)
    refresh_box(layer, BOX)
    assert len(refreshed) == 1
    assert layer._slice.image.view.any()


def test_without_textures_of_the_colormap_all_of_the_layer_is_refreshed(layer, monkeypatch) -> None:
    # napari itself goes on to use it: only the upload is tried.
    with monkeypatch.context() as patch:
        patch.delattr(type(layer.colormap), "_data_to_texture")
        assert not upload_box(layer, BOX)
    assert upload_box(layer, BOX)


def test_a_plane_out_of_view_needs_no_upload(layer) -> None:
    told = []
    layer.events.labels_update.connect(told.append)
    assert upload_box(layer, (slice(0, 1), *BOX[1:]))
    assert not told


def test_two_changes_are_drawn_once_or_one_by_one(layer, monkeypatch) -> None:
    drawn = []
    layer.events.set_data.connect(drawn.append)

    def change() -> int:
        drawn.clear()
        with one_refresh(layer):
            layer.refresh()
            layer.refresh()
        return len(drawn)

    assert change() == 0
    monkeypatch.delattr(Layer, "_block_refresh")
    assert change() == 2


def test_the_layers_own_history_is_emptied_where_it_can_be(layer) -> None:
    layer.data_setitem((np.array([3]), np.array([1]), np.array([1])), 5)
    assert layer._undo_history
    forget_history(layer)
    assert not layer._undo_history
    forget_history(SimpleNamespace())


def test_a_shape_in_the_making_is_finished_or_its_tool_is_changed(monkeypatch) -> None:
    layer = Shapes(ndim=2)
    layer.mode = "add_polygon"
    assert not is_drawing(layer)
    finish_drawing(layer)
    assert layer.mode == "add_polygon"
    monkeypatch.delattr(Shapes, "_finish_drawing")
    finish_drawing(layer)
    assert layer.mode == "select"
    del layer._is_creating
    assert not is_drawing(layer)


def test_colours_of_shapes_that_are_gone_are_forgotten() -> None:
    layer = Shapes([np.array([(1, 1), (5, 6)])] * 2, shape_type="line", edge_color=["red", "blue"])
    layer._data_view.remove(0)
    assert len(layer.edge_color) == 2
    forget_colours(layer)
    assert (len(layer.edge_color), len(layer.face_color)) == (1, 1)
    forget_colours(layer)
    assert len(layer.edge_color) == 1
    forget_colours(SimpleNamespace())


def test_what_is_no_proxy_is_returned_as_it_is(layer) -> None:
    assert unwrapped(PublicOnlyProxy(layer)) is layer
    assert unwrapped(layer) is layer


def test_the_camera_is_found_where_it_was_before() -> None:
    viewer = ViewerModel()
    assert camera_of(viewer) is viewer.scene.camera
    assert camera_of(SimpleNamespace(camera="camera")) == "camera"


def test_docked_widgets_are_found_in_every_version(make_napari_viewer) -> None:
    viewer = make_napari_viewer()
    label = QLabel("docked")
    dock = viewer.window.add_dock_widget(label, name="label")
    assert label in docked_widgets(viewer)
    assert label in docked_widgets(PublicOnlyProxy(viewer))
    # Before 0.6.2.
    window = SimpleNamespace(_dock_widgets={"label": dock})
    assert docked_widgets(SimpleNamespace(window=window)) == [label]
    # With neither name.
    assert label in docked_widgets(SimpleNamespace(window=SimpleNamespace()))
    assert docked_widgets(ViewerModel()) == []


def test_the_canvas_and_places_on_it_are_found_without_vispy(make_napari_viewer, monkeypatch) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(900, 800)
    viewer.add_image(blobs())
    QTest.qWait(100)
    viewer.reset_view()
    camera_of(viewer).zoom *= 0.7
    canvas, place = canvas_widget(viewer), canvas_position(viewer, 28, 34)
    monkeypatch.setattr(napari_internals, "_canvas", lambda _: None)
    assert canvas_widget(viewer) is canvas
    np.testing.assert_allclose(canvas_position(viewer, 28, 34), place, atol=1.5)


def test_a_viewer_without_a_window_has_no_canvas() -> None:
    assert canvas_widget(ViewerModel()) is None


def private_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Private attributes of anything but `self` and `cls`, private modules of others, and private names in strings."""

    def private(name: str) -> bool:
        return name == "__wrapped__" or (name.startswith("_") and not name.startswith("__") and name.isidentifier())

    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and private(node.attr):
            own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            if not own:
                yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and private(node.value):
            yield node.lineno, repr(node.value)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            module = getattr(node, "module", None) or ""
            for name in [f"{module}.{alias.name}".strip(".") for alias in node.names]:
                foreign = not name.startswith("napari_sam.")
                if foreign and not name.startswith("__future__") and any(private(part) for part in name.split(".")):
                    yield node.lineno, name


def test_private_names_are_noticed() -> None:
    source = """
from napari._qt import x
import vispy._y
from napari.layers import _z
window._qt_viewer
getattr(layer, "_slice")
layer.__wrapped__
self.fine._not_fine
self._fine
"""
    assert sorted(line for line, _ in private_names(ast.parse(source))) == [2, 3, 4, 5, 6, 7, 8]


FILES = [path for room in ("plugin", "demo", "cli") for path in sorted((HOUSE / room).rglob("*.py"))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_no_other_file_uses_private_names(path) -> None:
    found = list(private_names(ast.parse(path.read_text(encoding="utf-8"))))
    if path.name == "napari_internals.py":
        assert found
    else:
        assert not found
