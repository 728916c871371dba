"""Which shapes show some prompts, given those that are there."""

from collections.abc import Iterable, Mapping

from napari_sam.planes.plane import Plane
from napari_sam.plugin.drawing import Drawing
from napari_sam.plugin.layer_prompts import LayerPrompt
from napari_sam.plugin.outlines import Outlines
from napari_sam.prompts.prompt import Box, Prompts, Scribble

_REMEMBERED = 64


class Redrawing:
    """Keeps the shapes that fit, and remembers those that go, should the same prompts come back.

    Of several boxes or outlines on a plane only the last is a prompt: the others stay, go and come back with it.

    Parameters
    ----------
    outlines
        Who makes masks of outlines.
    """

    def __init__(self, outlines: Outlines) -> None:
        self._outlines = outlines
        self._together: dict[tuple[Plane, object], list[Drawing]] = {}

    def wanted(
        self, before: Iterable[tuple[LayerPrompt | None, Drawing]], prompts: Mapping[Plane, Prompts]
    ) -> list[Drawing]:
        """The shapes for these prompts: those that are there as far as they fit, then the others.

        Parameters
        ----------
        before
            The shapes that are there, and what each says.
        prompts
            By plane.
        """
        known = [(shown, drawing) for shown, drawing in before if shown is not None]
        after = []
        kept: list[tuple[Plane, object]] = []
        for at, (shown, drawing) in enumerate(known):
            if _fits(known, at, prompts.get(shown.plane, Prompts())):
                after.append(drawing)
                kept.append((shown.plane, shown.prompt))
        self._remember(known)
        for plane, each in prompts.items():
            if each.box is not None and (plane, each.box) not in kept:
                after += self._together.get((plane, each.box)) or [Drawing.of_box(plane, each.box)]
            outline = None if each.mask is None else each.mask.outline
            if each.mask is not None and outline is not None and (plane, each.mask) not in kept:
                self._outlines.know(each.mask)
                after += self._together.get((plane, each.mask)) or [Drawing.of_outline(plane, outline)]
            if each.scribbles and (plane, each.scribbles[0]) not in kept:
                after += [Drawing.of_scribble(plane, scribble) for scribble in each.scribbles]
        return after

    def _remember(self, known: Iterable[tuple[LayerPrompt, Drawing]]) -> None:
        groups: dict[tuple[Plane, type], list[tuple[LayerPrompt, Drawing]]] = {}
        for shown, drawing in known:
            if not isinstance(shown.prompt, Scribble):
                groups.setdefault((shown.plane, type(shown.prompt)), []).append((shown, drawing))
        for (plane, _), group in groups.items():
            if len(group) > 1:
                self._together[plane, group[-1][0].prompt] = [drawing for _, drawing in group]
        while len(self._together) > _REMEMBERED:
            del self._together[next(iter(self._together))]


def _fits(known: list[tuple[LayerPrompt, Drawing]], at: int, wanted: Prompts) -> bool:
    """Whether a shape may stay when these are the prompts on its plane."""
    shown = known[at][0]
    alike = [
        (place, other.prompt)
        for place, (other, _) in enumerate(known)
        if other.plane == shown.plane and type(other.prompt) is type(shown.prompt)
    ]
    if isinstance(shown.prompt, Scribble):
        return tuple(prompt for _, prompt in alike) == wanted.scribbles
    counts = wanted.box if isinstance(shown.prompt, Box) else wanted.mask
    return counts in [prompt for place, prompt in alike if place >= at]
