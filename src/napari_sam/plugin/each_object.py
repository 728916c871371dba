"""Which objects the points and shapes on one plane ask for, when each is one of its own."""

from collections.abc import Iterable, Mapping

from napari_sam.planes.mask import Mask
from napari_sam.planes.plane import Plane
from napari_sam.plugin.layer_prompts import LayerPrompt, with_prompt
from napari_sam.prompts.prompt import Box, Prompts
from napari_sam.session.batch import BatchObject


def regions(found: Iterable[LayerPrompt], plane: Plane) -> list[BatchObject]:
    """An object for each box and each outline on a plane."""
    return [
        BatchObject(plane, with_prompt(Prompts(), each.prompt))
        for each in found
        if each.plane == plane and isinstance(each.prompt, Box | Mask)
    ]


def objects(found: Iterable[LayerPrompt], plane: Plane) -> list[BatchObject]:
    """An object for each id that prompts on a plane have, and for each prompt without one.

    Clicks and scribbles that exclude count only beside others of the same id.
    """
    known: dict[int, Prompts] = {}
    single = []
    for each in found:
        if each.plane != plane:
            continue
        if each.object is not None:
            known[each.object] = with_prompt(known.get(each.object, Prompts()), each.prompt)
        elif _adds(each):
            single.append(BatchObject(plane, with_prompt(Prompts(), each.prompt)))
    return [*(BatchObject(plane, prompts, label) for label, prompts in sorted(known.items())), *single]


def labels(masks: Mapping[int, Mask], plane: Plane) -> list[BatchObject]:
    """An object for each label on a plane, under its id."""
    return [BatchObject(plane, Prompts(mask=mask), label) for label, mask in masks.items()]


def _adds(each: LayerPrompt) -> bool:
    return isinstance(each.prompt, Box | Mask) or each.prompt.positive


def only_regions(prompts: Mapping[Plane, Prompts], plane: Plane) -> bool:
    """Whether an object has no prompts but boxes and outlines on one plane."""
    return all(
        on == plane
        and each == Prompts(box=each.box, mask=each.mask)
        and (each.mask is None or each.mask.outline is not None)
        for on, each in prompts.items()
    )
