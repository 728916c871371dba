"""The models that can be loaded by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class ModelSpec:
    """What is known about a model without reading its weights.

    Parameters
    ----------
    name
        The name to load it by.
    architecture
        "nano", "vit_b", "vit_l" or "vit_h".
    description
        One line for people.
    licence
        SPDX identifier of the weights' licence.
    size_bytes
        Size of the file; rounded where the file is not bundled.
    bundled
        Whether the weights are part of this package.
    object_size_px
        Typical object diameter, in network pixels, that the model likes.
    url
        Where the weights are published; None for bundled ones.
    sha256
        Of the published file, where the publisher gives it.
    """

    name: str
    architecture: str
    description: str
    licence: str
    size_bytes: int
    bundled: bool
    object_size_px: float
    url: str | None = None
    sha256: str | None = None


VIT_OBJECT_SIZE_PX = 100.0
_META = "https://dl.fbaipublicfiles.com/segment_anything/"
_BIOIMAGE_IO = "https://uk1s3.embassy.ebi.ac.uk/public-datasets/bioimage.io/"


def _vit(name: str, description: str, licence: str, megabytes: int, url: str, sha256: str | None = None) -> ModelSpec:
    return ModelSpec(name, name[:5], description, licence, megabytes * 10**6, False, VIT_OBJECT_SIZE_PX, url, sha256)


_SPECS = (
    ModelSpec(
        name="nano",
        architecture="nano",
        description="Small and fast, trained on microscopy; needs no download",
        licence="BSD-3-Clause",
        size_bytes=11_292_918,
        bundled=True,
        object_size_px=36.0,
    ),
    _vit(
        "vit_b",
        "Segment Anything, ViT-B",
        "Apache-2.0",
        375,
        f"{_META}sam_vit_b_01ec64.pth",
        "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
    ),
    _vit(
        "vit_l",
        "Segment Anything, ViT-L",
        "Apache-2.0",
        1250,
        f"{_META}sam_vit_l_0b3195.pth",
        "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
    ),
    _vit(
        "vit_h",
        "Segment Anything, ViT-H",
        "Apache-2.0",
        2560,
        f"{_META}sam_vit_h_4b8939.pth",
        "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
    ),
    _vit(
        "vit_b_lm",
        "ViT-B fine-tuned on light microscopy (micro-sam)",
        "CC-BY-4.0",
        375,
        f"{_BIOIMAGE_IO}diplomatic-bug/1.2/files/vit_b.pt",
    ),
    _vit(
        "vit_l_lm",
        "ViT-L fine-tuned on light microscopy (micro-sam)",
        "CC-BY-4.0",
        1250,
        f"{_BIOIMAGE_IO}idealistic-rat/1.2/files/vit_l.pt",
    ),
    _vit(
        "vit_b_em_organelles",
        "ViT-B fine-tuned on organelles in electron microscopy (micro-sam)",
        "CC-BY-4.0",
        375,
        f"{_BIOIMAGE_IO}noisy-ox/1.2/files/vit_b.pt",
    ),
    _vit(
        "vit_l_em_organelles",
        "ViT-L fine-tuned on organelles in electron microscopy (micro-sam)",
        "CC-BY-4.0",
        1250,
        f"{_BIOIMAGE_IO}humorous-crab/1.2/files/vit_l.pt",
    ),
)

REGISTRY: Mapping[str, ModelSpec] = MappingProxyType({spec.name: spec for spec in _SPECS})
