"""Showing a change inside a box: the same picture as after a refresh of the whole layer, at the cost of the box."""

from collections.abc import Callable

import numpy as np
import pytest
import zarr
from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils._proxies import PublicOnlyProxy

from napari_sam.plugin.layers.layer_sync import refresh_box

BOX = (slice(2, 5), slice(10, 20), slice(30, 60))


def layer_on(data, order=(0, 1, 2), plane: int = 3, **attributes) -> tuple[ViewerModel, Labels]:
    viewer = ViewerModel()
    layer = viewer.add_labels(data, **attributes)
    viewer.dims.order = order
    viewer.dims.set_current_step(order[0], plane)
    return viewer, layer


def in_memory(dtype: str) -> Callable[[], object]:
    return lambda: np.zeros((6, 40, 70), dtype)


def in_zarr() -> object:
    return zarr.array(np.zeros((6, 40, 70), np.uint16), chunks=(1, 20, 20))


@pytest.mark.parametrize("make", [in_memory("uint8"), in_memory("uint16"), in_memory("int32"), in_zarr])
@pytest.mark.parametrize(("order", "plane"), [((0, 1, 2), 3), ((1, 0, 2), 12), ((1, 2, 0), 12), ((2, 1, 0), 40)])
def test_it_looks_as_after_a_full_refresh(make, order, plane) -> None:
    _viewer, layer = layer_on(make(), order, plane)
    uploaded = []
    layer.events.labels_update.connect(lambda event: uploaded.append((np.array(event.data), tuple(event.offset))))
    picture = layer._slice.image.view.copy()
    layer.data[BOX] = 7
    refresh_box(layer, BOX)

    partly = layer._slice.image.view.copy()
    assert len(uploaded) == 1
    values, (top, left) = uploaded[0]
    picture[top : top + values.shape[0], left : left + values.shape[1]] = values
    thumbnail = layer.thumbnail.copy()
    layer.refresh()
    np.testing.assert_array_equal(partly, layer._slice.image.view)
    np.testing.assert_array_equal(picture, layer._slice.image.view)
    np.testing.assert_array_equal(thumbnail, layer.thumbnail)
    assert partly.any()


def test_nothing_is_uploaded_for_a_plane_that_is_not_in_view() -> None:
    viewer, layer = layer_on(np.zeros((6, 40, 70), np.uint16), plane=5)
    told = []
    for event in (layer.events.labels_update, layer.events.set_data):
        event.connect(told.append)
    layer.data[BOX] = 7
    refresh_box(layer, BOX)
    assert not told
    viewer.dims.set_current_step(0, 4)
    assert layer._slice.image.view.any()


@pytest.mark.parametrize("how", ["contour", "3-D"])
def test_where_a_box_is_not_enough_the_whole_layer_is_refreshed(how) -> None:
    viewer, layer = layer_on(np.zeros((6, 40, 70), np.uint16))
    if how == "contour":
        layer.contour = 2
    else:
        viewer.dims.ndisplay = 3
    refreshed = []
    layer.events.set_data.connect(refreshed.append)
    layer.data[BOX] = 7
    refresh_box(layer, BOX)
    assert len(refreshed) == 1


def test_a_hidden_layer_shows_the_change_when_it_is_shown_again() -> None:
    _viewer, layer = layer_on(np.zeros((6, 40, 70), np.uint16))
    layer.visible = False
    layer.data[BOX] = 7
    refresh_box(layer, BOX)
    layer.visible = True
    assert layer._slice.image.view.any()


def test_a_layer_in_the_wrapper_that_widgets_get_is_refreshed_without_a_warning() -> None:
    _viewer, layer = layer_on(np.zeros((6, 40, 70), np.uint16))
    uploaded = []
    layer.events.labels_update.connect(uploaded.append)
    layer.data[BOX] = 7
    refresh_box(PublicOnlyProxy(layer), BOX)
    assert len(uploaded) == 1
