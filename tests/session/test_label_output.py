"""The chosen labels exported and measured by a session without a window."""

import json

import numpy as np
import pytest
from session_deeds import Z4

from napari_sam.errors import UserError
from napari_sam.export import measurements
from napari_sam.export.export_labels import export_labels
from napari_sam.planes.open_image import open_image
from napari_sam.prompts.prompt import Point
from napari_sam.session.status import State


@pytest.fixture
def accepted(session, main, target):
    session.prompts.add_point(Z4, Point(12, 12))
    main.settle(session)
    session.current.accept()
    main.settle(session)
    return target


def test_measured_with_what_the_session_knows(session, main, accepted) -> None:
    found = []
    session.output.measure(lambda *told: found.append(told))
    assert session.status.state is State.MEASURING
    main.settle(session)
    assert session.status.sentence == "Measured 1 object."
    ((columns, current),) = found
    assert current
    assert columns["volume"].tolist() == [81 * 2.0]
    assert (columns["made_by"].tolist(), columns["n_prompts"].tolist()) == (["model"], [1])
    assert columns["unit"].tolist() == ["µm"]
    session.objects.relabel(1, 5)
    session.output.measure(lambda *told: found.append(told), by_plane=True)
    main.settle(session)
    columns = found[-1][0]
    assert (columns["label"].tolist(), columns["z"].tolist(), columns["made_by"].tolist()) == ([5], [4], ["model"])


def test_what_is_done_meanwhile_is_told_and_measuring_can_be_stopped(session, main, accepted, monkeypatch) -> None:
    monkeypatch.setattr(measurements, "_BLOCK", 40 * 50)
    found = []
    session.output.measure(lambda *told: found.append(told))
    session.objects.rename(1, "soma")
    main.settle(session)
    assert [current for _, current in found] == [False]
    session.output.measure(lambda *told: found.append(told))
    session.cancel()
    main.settle(session)
    assert len(found) == 1
    assert session.status.state is State.READY
    # Another way of measuring takes the place of the first.
    session.output.measure(lambda *told: found.append(told))
    session.output.measure(lambda *told: found.append(told), by_plane=True)
    main.settle(session)
    assert len(found) == 2
    assert "z" in found[-1][0]


def test_exported_with_axes_scale_and_provenance(session, main, accepted, tmp_path) -> None:
    session.output.export(tmp_path / "cells.zarr")
    assert session.status.state is State.SAVING
    with pytest.raises(UserError, match=r"Exporting to cells\.zarr"):
        session.output.export(tmp_path / "other.zarr")
    main.settle(session)
    assert session.status.sentence == "Exported cells.zarr (OME-Zarr)."
    stored = open_image(tmp_path / "cells.zarr")
    np.testing.assert_array_equal(stored.array()[...], accepted.array)
    assert (stored.scale, stored.units) == ((2.0, 1.0, 1.0), ("micrometer",) * 3)
    made = json.loads((tmp_path / "cells.provenance.json").read_text())
    assert made["made_by"] == "Export to OME-Zarr"


def test_what_cannot_be_done_is_one_sentence(session, main, tmp_path) -> None:
    with pytest.raises(UserError, match="no labels yet"):
        session.output.measure(lambda *_: None)
    with pytest.raises(UserError, match="does not say its format"):
        session.output.export(tmp_path / "cells.shp")


def test_what_fails_while_exporting_is_told(session, main, accepted, tmp_path) -> None:
    session.output.export(tmp_path / "cells.png")
    main.settle(session)
    assert session.status.state is State.ERROR
    assert "one plane" in session.status.sentence
    assert not list(tmp_path.iterdir())
    export_labels(tmp_path / "cells.png", accepted.array[4])
