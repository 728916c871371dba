"""Decoding several objects together, each on the window that it begins on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from napari_sam.embedding.embedder import EmbeddedWindow
from napari_sam.prompts.encoding import encode_prompts
from napari_sam.segment.decode_window import decode_windows
from napari_sam.segment.decoded_window import DecodedWindow
from napari_sam.segment.fit_level import LevelFit


@dataclass(eq=False)
class Begun:
    """An object that is being segmented.

    Parameters
    ----------
    fit
        Decodes it; without a previous mask.
    level
        The level to begin at; None where several are tried.
    tried
        What came of that level, once it is decoded.
    """

    fit: LevelFit
    level: float | None
    tried: DecodedWindow | None = None


def decode_first(begun: Sequence[Begun], together: int) -> Iterator[None]:
    """Decode objects at the level that each begins at, so many of them together.

    Those are left alone that are decoded by themselves: at several levels, or with a mask prompt.

    Yields
    ------
    None
        After each window that had to be encoded, since something more urgent may come in between.
    """
    alike: dict[tuple[tuple[int, int], int, bool], list[tuple[Begun, EmbeddedWindow]]] = {}
    for each in begun:
        fit = each.fit
        if each.level is None or fit.prompts.mask is not None:
            continue
        ready = fit.ready(each.level)
        embedded = fit.embedded(each.level)
        model = fit.embedder.model
        tokens = encode_prompts(fit.prompts, embedded.window, model.network.mask_stride).points.shape[1]
        alike.setdefault((fit.shape, tokens, fit.multimask), []).append((each, embedded))
        if not ready:
            yield None
    for group in alike.values():
        for start in range(0, len(group), together):
            _decode(group[start : start + together])


def _decode(group: Sequence[tuple[Begun, EmbeddedWindow]]) -> None:
    first = group[0][0].fit
    if len(group) == 1:
        # By itself, it is decoded as it always is.
        return
    decoded = decode_windows(
        first.embedder.model,
        [embedded for _, embedded in group],
        [each.fit.prompts for each, _ in group],
        first.shape,
        multimask=first.multimask,
    )
    for (each, _), tried in zip(group, decoded, strict=True):
        each.tried = tried
