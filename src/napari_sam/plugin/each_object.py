"""Which objects points, shapes and labels ask for, when each is one of its own."""

from collections.abc import Container, Iterable, Mapping

from napari_sam.planes.mask import Mask
from napari_sam.planes.plane import Plane
from napari_sam.plugin.layer_prompts import LayerPrompt, with_prompt
from napari_sam.prompts.prompt import Box, Prompts
from napari_sam.session.batch import BatchObject


def regions(found: Iterable[LayerPrompt]) -> list[BatchObject]:
    """An object for each box and each outline."""
    return [
        BatchObject(each.plane, with_prompt(Prompts(), each.prompt))
        for each in found
        if isinstance(each.prompt, Box | Mask)
    ]


def objects(found: Iterable[LayerPrompt]) -> list[BatchObject]:
    """An object for each id that prompts have, on every plane that they are on, and for each prompt without one.

    Clicks and scribbles that exclude count only beside others of the same id on the same plane.
    """
    known: dict[tuple[int, Plane], Prompts] = {}
    single = []
    for each in found:
        if each.object is not None:
            key = each.object, each.plane
            known[key] = with_prompt(known.get(key, Prompts()), each.prompt)
        elif _adds(each):
            single.append(BatchObject(each.plane, with_prompt(Prompts(), each.prompt)))
    ordered = sorted(known.items(), key=lambda item: (item[0][0], item[0][1].index))
    return [*(BatchObject(plane, prompts, label) for (label, plane), prompts in ordered), *single]


def labels(masks: Mapping[int, Mask], plane: Plane) -> list[BatchObject]:
    """An object for each label on a plane, under its id."""
    return [BatchObject(plane, Prompts(mask=mask), label) for label, mask in masks.items()]


def only_regions(prompts: Mapping[Plane, Prompts], planes: Container[Plane]) -> bool:
    """Whether an object has no prompts but boxes and outlines, on some planes."""
    return all(
        on in planes
        and each == Prompts(box=each.box, mask=each.mask)
        and (each.mask is None or each.mask.outline is not None)
        for on, each in prompts.items()
    )


def _adds(each: LayerPrompt) -> bool:
    return isinstance(each.prompt, Box | Mask) or each.prompt.positive
