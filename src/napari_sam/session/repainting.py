"""Giving all pixels of an object another label."""

from dataclasses import replace

import numpy as np

from napari_sam.labels.pixel_change import PixelChange
from napari_sam.session.book import Book
from napari_sam.session.journal.labels_patch import LabelsPatch


def delete(book: Book, label: int) -> LabelsPatch:
    """Remove an object: all its pixels become background.

    Parameters
    ----------
    book
        Of the labels that it is in.
    label
        Its id.

    Returns
    -------
    LabelsPatch
        What changed.
    """
    return book.make(_repainted(book, label, 0), {label: None})


def relabel(book: Book, label: int, new: int) -> LabelsPatch:
    """Give an object another id.

    Parameters
    ----------
    book
        Of the labels that it is in.
    label, new
        Its id, and the one that it gets, which no object has.

    Returns
    -------
    LabelsPatch
        What changed.
    """
    repainted = _repainted(book, label, new)
    # An object that was painted over has no pixels from which it would show where they are.
    shows = book.follows(new) and (bool(repainted) or new in book.extents)
    return book.make(
        repainted,
        {label: None, new: replace(book.rows[label], label=new)},
        areas=None if shows else {new: book.extents[label]},
        uses=new,
    )


def _repainted(book: Book, label: int, new: int) -> list[PixelChange]:
    """The change that gives all pixels of a label another one."""
    book.unwritten.write()
    box = book.extents[label].box
    where = np.asarray(book.target.array[box]) == label
    if not where.any():
        return []
    dtype = np.dtype(book.target.array.dtype)
    return [PixelChange.of(box, where, dtype.type(label), dtype.type(new))]
