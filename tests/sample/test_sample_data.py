from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Layer

from napari_sam.errors import UserError
from napari_sam.plugin import sample_data
from napari_sam.sample import CROWDED, TISSUE


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_data, "TISSUE", replace(TISSUE, shape=(6, 40, 48)))
    monkeypatch.setattr(sample_data, "CROWDED", replace(CROWDED, shape=(6, 40, 48)))


@pytest.mark.parametrize("name", ["tissue", "crowded", "cell", "immunohistochemistry"])
def test_every_sample_opens_as_layers_without_a_network(name: str) -> None:
    layers = [Layer.create(*data) for data in getattr(sample_data, name)()]
    assert all(np.size(layer.data) for layer in layers)


@pytest.mark.parametrize("name", ["tissue", "crowded"])
def test_generated_stacks_bring_channels_and_hidden_known_labels(name: str) -> None:
    membranes, nuclei, known = (Layer.create(*data) for data in getattr(sample_data, name)())
    assert [layer.name for layer in (membranes, nuclei, known)] == ["membranes", "nuclei", "known nuclei"]
    assert nuclei.visible
    assert not known.visible
    assert membranes.data.shape == nuclei.data.shape == known.data.shape == (6, 40, 48)
    for layer in (membranes, nuclei, known):
        np.testing.assert_allclose(layer.scale, TISSUE.voxel_size)
        assert [str(unit) for unit in layer.units] == ["micrometer"] * 3


def test_cells3d_splits_into_its_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = np.arange(3 * 2 * 4 * 5, dtype=np.uint16).reshape(3, 2, 4, 5)
    monkeypatch.setattr("skimage.data.cells3d", lambda: stack)
    membranes, nuclei = sample_data.cells3d()
    np.testing.assert_array_equal(membranes[0], stack[:, 0])
    np.testing.assert_array_equal(nuclei[0], stack[:, 1])


def test_cells3d_without_a_network_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable() -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr("skimage.data.cells3d", unreachable)
    with pytest.raises(UserError, match="network"):
        sample_data.cells3d()
