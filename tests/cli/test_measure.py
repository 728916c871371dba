"""``napari-sam measure``."""

import csv

import numpy as np
import pytest
import tifffile

from napari_sam.export.save_labels import save_labels


@pytest.fixture
def stored(tmp_path):
    labels = np.zeros((4, 30, 40), np.uint16)
    labels[1:3, 5:15, 5:15], labels[2, 20:24, 20:24] = 3, 7
    path = tmp_path / "labels.ome.tif"
    save_labels(path, labels, axes="ZYX", scale=(2.0, 0.5, 0.5), units=("micrometer",) * 3)
    return path


def rows(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_objects_are_measured_in_the_unit_of_the_file(run, stored, tmp_path):
    table = tmp_path / "table.csv"
    ended = run("measure", stored, "-o", table)
    assert ended.status == 0, ended.err
    assert "2 objects, 2 rows, lengths in µm" in ended.out
    assert [(row["label"], row["volume"]) for row in rows(table)] == [("3", "100.0"), ("7", "8.0")]
    assert "confidence" not in rows(table)[0]


def test_a_scale_is_in_micrometres_whatever_the_file_says(run, stored, tmp_path):
    save_labels(tmp_path / "plain.ome.tif", tifffile.imread(stored), axes="ZYX")
    for labels in (stored, tmp_path / "plain.ome.tif"):
        ended = run("measure", labels, "--scale", "4,0.5,0.5", "-o", tmp_path / "table.csv")
        assert "lengths in µm" in ended.out
        assert [(row["volume"], row["unit"]) for row in rows(tmp_path / "table.csv")] == [
            ("200.0", "µm"),
            ("16.0", "µm"),
        ]


def test_axes_and_series_are_those_of_the_labels_without_an_image(run, stored, tmp_path):
    labels = tifffile.imread(stored)
    np.savez(tmp_path / "both.npz", image=labels[:0], labels=labels)
    table = tmp_path / "table.csv"
    ended = run("measure", tmp_path / "both.npz", "--series", "labels", "--axes", "TYX", "-o", table)
    assert ended.status == 0, ended.err
    assert [(row["label"], row["t"]) for row in rows(table)] == [("3", "1"), ("3", "2"), ("7", "2")]


def test_by_plane_with_an_image(run, stored, tmp_path):
    image = np.arange(4 * 30 * 40, dtype=np.float32).reshape(4, 30, 40)
    np.save(tmp_path / "image.npy", image)
    table = tmp_path / "table.csv"
    ended = run("measure", stored, "--image", tmp_path / "image.npy", "--by-plane", "-o", table)
    assert ended.status == 0, ended.err
    assert [(row["z"], row["label"], row["area"]) for row in rows(table)] == [
        ("1", "3", "25.0"),
        ("2", "3", "25.0"),
        ("2", "7", "4.0"),
    ]
    assert float(rows(table)[2]["intensity_mean"]) == image[2, 20:24, 20:24].mean()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["-o", "table.xls"], "ends in .csv"),
        (["-o", "table.csv", "--scale", "1,1"], "3 numbers"),
        (["-o", "table.csv", "--scale", "0,1,1"], "sizes above 0"),
    ],
)
def test_bad_input_gets_one_sentence(run, stored, words, says):
    ended = run("measure", stored, *words)
    assert ended.status == 2
    assert len(ended.sentences) == 1
    assert says in ended.err
