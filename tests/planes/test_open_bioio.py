"""Files of microscopes' makers, by the readers of bioio where they are installed."""

import importlib.util
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_sam.errors import UserError, UserNotice
from napari_sam.planes.geometry import Plane
from napari_sam.planes.open_image import open_image

PIXELS = np.random.default_rng(0).integers(0, 4000, (2, 3, 40, 50), np.uint16)
WHOLE = (slice(None), slice(None))

installed = pytest.mark.skipif(importlib.util.find_spec("bioio") is None, reason="the extra [formats] is not installed")


def write_lif(path: Path, images: dict[str, np.ndarray], pixel: float) -> None:
    """Write the least that a Leica file is: XML that describes the images, and a block of memory for each.

    Every block begins with 0x70 and its length; texts are UTF-16.
    """

    def block(*parts: bytes) -> bytes:
        inner = b"".join(parts)
        return struct.pack("<II", 0x70, len(inner)) + inner

    def text(words: str) -> bytes:
        return b"\x2a" + struct.pack("<I", len(words)) + words.encode("utf-16-le")

    elements = ""
    for number, (name, pixels) in enumerate(images.items()):
        depth, rows, columns = pixels.shape
        sizes = [(1, columns, 2, pixel), (2, rows, 2 * columns, pixel), (3, depth, 2 * rows * columns, 5 * pixel)]
        dimensions = "".join(
            f'<DimensionDescription DimID="{axis}" NumberOfElements="{length}" Origin="0" '
            f'Length="{step * (length - 1)}" Unit="m" BytesInc="{inc}" BitInc="0"/>'
            for axis, length, inc, step in sizes
        )
        elements += (
            f'<Element Name="{name}"><Data><Image><ImageDescription><Channels><ChannelDescription DataType="0" '
            'ChannelTag="0" Resolution="16" NameOfMeasuredQuantity="" Min="0" Max="65535" Unit="" LUTName="Gray" '
            f'IsLUTInverted="0" BytesInc="0" BitInc="0"/></Channels><Dimensions>{dimensions}</Dimensions>'
            f'</ImageDescription></Image></Data><Memory Size="{pixels.nbytes}" MemoryBlockID="MemBlock_{number}"/>'
            "</Element>"
        )
    head = (
        '<LMSDataContainerHeader Version="2"><Element Name="lif"><Data><Experiment/></Data>'
        f"<Children>{elements}</Children></Element></LMSDataContainerHeader>"
    )
    content = block(text(head))
    for number, pixels in enumerate(images.values()):
        content += block(b"\x2a", struct.pack("<Q", pixels.nbytes), text(f"MemBlock_{number}")) + pixels.tobytes()
    path.write_bytes(content)


@installed
def test_czi(tmp_path: Path) -> None:
    czi = pytest.importorskip("pylibCZIrw.czi")
    with czi.create_czi(str(tmp_path / "cells.czi")) as document:
        for channel, depth in np.ndindex(2, 3):
            document.write(data=PIXELS[channel, depth][..., None], plane={"C": channel, "Z": depth, "T": 0})
        names = {0: "DAPI", 1: "GFP"}
        document.write_metadata("cells", channel_names=names, scale_x=1e-7, scale_y=2e-7, scale_z=5e-7)
    source = open_image(tmp_path / "cells.czi", channel="GFP")
    assert (source.shape, source.axis_labels) == ((1, 3, 40, 50), ("t", "z", "y", "x"))
    assert (source.channel_names, source.shown, source.in_memory) == (("DAPI", "GFP"), (1,), False)
    assert source.scale == pytest.approx((1, 0.5, 0.2, 0.1))
    assert source.units[1:] == ("micrometer",) * 3
    read = source.read(Plane((2, 3), (0, 2, 0, 0)), *WHOLE)
    np.testing.assert_array_equal(read, PIXELS[:, 2].transpose(1, 2, 0))


@installed
def test_lif_of_several_images(tmp_path: Path) -> None:
    write_lif(tmp_path / "cells.lif", {"first": PIXELS[0], "second": PIXELS[1, :, :30]}, 1e-7)
    with pytest.warns(UserNotice, match=r"2 images \(0 first, 1 second\)"):
        open_image(tmp_path / "cells.lif")
    source = open_image(tmp_path / "cells.lif", series="second")
    assert source.shape[-3:] == (3, 30, 50)
    assert source.scale[-3:] == pytest.approx((0.5, 0.1, 0.1))
    read = source.read(Plane((source.ndim - 2, source.ndim - 1), (0, 2, 0, 0)[-source.ndim :]), *WHOLE)
    np.testing.assert_array_equal(read[..., 0], PIXELS[1, 2, :30])


@installed
@pytest.mark.parametrize("name", ["cells.czi", "cells.nd2", "cells.lif"])
def test_damaged_files_are_said(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no microscope wrote this" * 10)
    with pytest.raises(UserError, match=rf"{name}.*(damaged|not read here)"):
        open_image(tmp_path / name)


@pytest.mark.parametrize("name", ["cells.czi", "cells.lif", "cells.nd2"])
def test_without_the_extra_one_sentence_names_it(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bioio", None)
    (tmp_path / name).write_bytes(bytes(64))
    with pytest.raises(UserError, match=r'save it as OME-TIFF, or .* pip install "napari-sam-stacks\[formats\]"'):
        open_image(tmp_path / name)
