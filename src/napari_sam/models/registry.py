"""The models that can be loaded by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class ModelSpec:
    """The facts known about a model without reading its weights.

    Parameters
    ----------
    name
        The name to load it by.
    architecture
        "nano", "vit_t", "vit_b", "vit_l" or "vit_h".
    description
        One line for people.
    licence
        SPDX identifier of the weights' licence.
    size_bytes
        Size of the file; rounded where the file is not bundled.
    bundled
        Whether the weights are part of this package.
    object_size_px
        Diameter, in network pixels, at which the model likes clicked objects.
    scanned_size_px
        Where an object's size is not known and levels are compared: the diameter at which a mask convinces most.
    boxed_size_px
        The same as `object_size_px` for objects in a box, or with a mask prompt, whose extent is known: more detail,
        less surroundings. Images are not magnified for it.
    url
        Where the weights are published; None for bundled ones.
    known_hash
        Of the published file: "sha256:" or "xxh128:" and hexadecimal digits, as the publisher gives it.
    file_name
        The file's name in the folder of downloads and on a mirror.
    suits
        What kind of images it is for.
    knows_ends
        Whether the model was trained with masks of neighbouring planes as prompts on planes where the object has ended,
        and so predicts a low IoU there. The others draw what they were told: whether an object that they carry
        through a stack has ended must be found out in another way (`Evidence.agreement`).
    """

    name: str
    architecture: str
    description: str
    licence: str
    size_bytes: int
    bundled: bool
    object_size_px: float
    scanned_size_px: float
    boxed_size_px: float
    url: str | None = None
    known_hash: str | None = None
    file_name: str | None = None
    suits: str = ""
    knows_ends: bool = False


# Chosen, not measured.
VIT_OBJECT_SIZE_PX = 100.0
_ENCODERS = {
    "vit_t": ("TinyViT", 40),
    "vit_b": ("ViT-B", 375),
    "vit_l": ("ViT-L", 1250),
    "vit_h": ("ViT-H", 2560),
}
_BIOIMAGE_IO = "https://uk1s3.embassy.ebi.ac.uk/public-datasets/bioimage.io/"
_LIGHT = "cells and nuclei in light microscopy, fluorescent or label-free"
_ORGANELLES = "mitochondria, nuclei and other organelles in electron microscopy"


def _published(architecture: str, url: str, known_hash: str, file_name: str, suits: str) -> ModelSpec:
    """Describe a network as it was published first, trained on photographs."""
    encoder, megabytes = _ENCODERS[architecture]
    return ModelSpec(
        name=architecture,
        architecture=architecture,
        description=f"{'MobileSAM' if architecture == 'vit_t' else 'Segment Anything'}, {encoder}",
        licence="Apache-2.0",
        size_bytes=megabytes * 10**6,
        bundled=False,
        object_size_px=VIT_OBJECT_SIZE_PX,
        scanned_size_px=VIT_OBJECT_SIZE_PX,
        boxed_size_px=VIT_OBJECT_SIZE_PX,
        url=url,
        known_hash=known_hash,
        file_name=file_name,
        suits=suits,
    )


def _meta(architecture: str, file_name: str, sha256: str, suits: str) -> ModelSpec:
    url = f"https://dl.fbaipublicfiles.com/segment_anything/{file_name}"
    return _published(architecture, url, f"sha256:{sha256}", file_name, suits)


def _micro_sam(architecture: str, kind: str, place: str, xxh128: str) -> ModelSpec:
    """Describe a network that micro-sam fine-tuned on microscopy (Archit et al. 2025)."""
    encoder, megabytes = _ENCODERS[architecture]
    images = {"lm": "light microscopy", "em_organelles": "organelles in electron microscopy"}[kind]
    name = f"{architecture}_{kind}"
    return ModelSpec(
        name=name,
        architecture=architecture,
        description=f"{encoder} fine-tuned on {images} (micro-sam)",
        licence="CC-BY-4.0",
        size_bytes=megabytes * 10**6,
        bundled=False,
        object_size_px=VIT_OBJECT_SIZE_PX,
        scanned_size_px=VIT_OBJECT_SIZE_PX,
        boxed_size_px=VIT_OBJECT_SIZE_PX,
        url=f"{_BIOIMAGE_IO}{place}/files/{architecture}.pt",
        known_hash=f"xxh128:{xxh128}",
        file_name=f"{name}.pt",
        suits={"lm": _LIGHT, "em_organelles": _ORGANELLES}[kind],
    )


_SPECS = (
    ModelSpec(
        name="nano",
        architecture="nano",
        description="Small and fast, trained on microscopy; needs no download",
        licence="BSD-3-Clause",
        size_bytes=16438358,
        bundled=True,
        # 43 or 51 change one click by .003, three clicks by .006 (version 5; training/LOG.md, "Scale with version 5").
        object_size_px=36.0,
        # From 36, with `OCTAVES_OFF` at .75, a click of version 3 on 420 and 470 objects of training images went from
        # .604 to .614 and from .612 to .621.
        scanned_size_px=51.0,
        # First half a level finer than a click: a box .685 to .698 over five training sets; twice a click's
        # since version 2. With version 5, boxes 60 to 102 wide are within .003 (training/LOG.md).
        boxed_size_px=72.0,
        suits="all microscopy, on any laptop",
        knows_ends=True,
    ),
    _published(
        "vit_t",
        "https://owncloud.gwdg.de/index.php/s/TuDzuwVDHd1ZDnQ/download",
        "sha256:6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
        "mobile_sam.pt",
        "photographs and anything unlike the other models' images; the fastest of the published ones",
    ),
    _meta(
        "vit_b",
        "sam_vit_b_01ec64.pth",
        "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        "photographs and anything unlike the other models' images",
    ),
    _meta(
        "vit_l",
        "sam_vit_l_0b3195.pth",
        "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        "what vit_b is for, finer and slower; wants a GPU",
    ),
    _meta(
        "vit_h",
        "sam_vit_h_4b8939.pth",
        "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        "what vit_b is for, finest and slowest; wants a GPU",
    ),
    _micro_sam("vit_t", "lm", "faithful-chicken/1.1", "72ec5074774761a6e5c05a08942f981e"),
    _micro_sam("vit_b", "lm", "diplomatic-bug/1.2", "fe9252a29f3f4ea53c15a06de471e186"),
    _micro_sam("vit_l", "lm", "idealistic-rat/1.2", "017f20677997d628426dec80a8018f9d"),
    _micro_sam("vit_t", "em_organelles", "greedy-whale/1", "253474720c497cce605e57c9b1d18fd9"),
    _micro_sam("vit_b", "em_organelles", "noisy-ox/1.2", "f3bf2ed83d691456bae2c3f9a05fb438"),
    _micro_sam("vit_l", "em_organelles", "humorous-crab/1.2", "810b084b6e51acdbf760a993d8619f2d"),
)

REGISTRY: Mapping[str, ModelSpec] = MappingProxyType({spec.name: spec for spec in _SPECS})
