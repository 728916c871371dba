import subprocess
import sys

import numpy as np
import pytest
import tifffile

from training.pack import eight_bits, pack
from training.real_sets import read_pixels, read_set


def test_a_packed_set_is_read_as_the_set_itself(tiny_data, tmp_path):
    pack(["discs", "stack"], tiny_data, tmp_path / "packed")
    for name in ("discs", "stack"):
        for before, after in zip(
            read_set(tiny_data / name, 0.3), read_set(tmp_path / "packed" / name, 0.3), strict=True
        ):
            assert [image.name for image in before] == [image.name for image in after]
            for one, other in zip(before, after, strict=True):
                np.testing.assert_array_equal(one.labels, other.labels)
                assert np.abs(one.pixels.astype(int) - other.pixels).mean() < 2


def test_packed_sets_need_no_further_codec(tiny_data, tmp_path):
    pack(["discs", "stack"], tiny_data, tmp_path / "packed")
    # What is read in a process that has no imagecodecs: a machine with a card once had none.
    code = (
        "import sys, pathlib; sys.modules['imagecodecs'] = None; from training.real_sets import read_set;"
        f"folder = pathlib.Path({str(tmp_path / 'packed')!r});"
        "print(*(len(read_set(folder / name, .3)[0]) for name in ('discs', 'stack')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(int(count) > 0 for count in done.stdout.split())


def test_quality_falls_until_all_is_small_enough(tiny_data, tmp_path):
    out = tmp_path / "packed"
    best = pack(["discs"], tiny_data, out)
    size = sum(file.stat().st_size for file in out.rglob("*.*")) / 1e6
    assert best == 95
    assert pack(["discs"], tiny_data, out, limit=size * 0.97) < best
    assert sum(file.stat().st_size for file in out.rglob("*.*")) / 1e6 <= size * 0.97
    with pytest.raises(ValueError, match="allowed"):
        pack(["discs"], tiny_data, out, limit=size / 100)


def test_colours_stay_and_opacity_goes(tmp_path):
    folder = tmp_path / "data" / "colour"
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[..., 0], pixels[..., 3] = 200, 255
    labels = np.zeros((64, 64), np.uint16)
    labels[8:40, 8:40] = 300
    tifffile.imwrite(folder / "images" / "x.tif", pixels, photometric="rgb", extrasamples=["unassalpha"])
    tifffile.imwrite(folder / "labels" / "x.tif", labels, photometric="minisblack")
    pack(["colour"], tmp_path / "data", tmp_path / "packed")
    packed = read_pixels(tmp_path / "packed" / "colour" / "images" / "x.npz")
    assert packed.shape == (64, 64, 3)
    assert np.abs(packed[8:56, 8:56].astype(int) - [200, 0, 0]).max() < 6
    assert tifffile.imread(tmp_path / "packed" / "colour" / "labels" / "x.tif").max() == 300


def test_sixteen_bits_are_stretched_and_eight_are_not():
    wide = np.linspace(1000, 30000, 10000).reshape(100, 100).astype(np.uint16)
    narrow = eight_bits(wide)
    assert (narrow.min(), narrow.max(), narrow.dtype) == (0, 255, np.uint8)
    np.testing.assert_allclose(narrow, (wide - 1000) / 29000 * 255, atol=1)
    np.testing.assert_array_equal(eight_bits(narrow), narrow)
