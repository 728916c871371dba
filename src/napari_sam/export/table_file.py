"""A table of columns as a file of comma-separated values or as Parquet."""

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import UserError
from napari_sam.export.atomic import atomic_path
from napari_sam.export.provenance import NAMESPACE, Provenance, provenance_text, write_provenance

_SUFFIXES = (".csv", ".parquet")


def check_table_path(path: str | os.PathLike[str]) -> None:
    """Refuse a name that no table can be saved under.

    Raises
    ------
    UserError
        If it ends in neither .csv nor .parquet, or Parquet cannot be written here.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _SUFFIXES:
        raise UserError(f"Tables are saved as CSV or Parquet: give a name that ends in .csv, not {Path(path).name}.")
    if suffix == ".parquet":
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError as error:
            raise UserError(
                "Parquet needs the package pyarrow: pip install 'napari-sam-stacks[export]', or save as .csv."
            ) from error


def save_table(
    path: str | os.PathLike[str], columns: Mapping[str, NDArray[Any]], provenance: Provenance | None = None
) -> None:
    """Save columns of equal length; the file appears only when it is complete.

    Parameters
    ----------
    path
        Where to, ending in .csv (UTF-8, a line of names, numbers that are missing are empty) or .parquet.
    columns
        By name, (n,) numbers, booleans or texts.
    provenance
        What it is made by, see `make_provenance`: it goes beside the table, and into Parquet. None for neither.

    Raises
    ------
    UserError
        If it cannot be written.
    """
    check_table_path(path)
    with atomic_path(path) as temporary:
        if temporary.suffix.lower() == ".parquet":
            import pyarrow
            import pyarrow.parquet

            table = pyarrow.table({name: pyarrow.array(column) for name, column in columns.items()})
            if provenance is not None:
                table = table.replace_schema_metadata({NAMESPACE: provenance_text(provenance)})
            pyarrow.parquet.write_table(table, temporary)
        else:
            with temporary.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(columns)
                writer.writerows(zip(*(_cells(column) for column in columns.values()), strict=True))
    if provenance is not None:
        write_provenance(path, provenance)


def _cells(column: NDArray[Any]) -> list[Any]:
    cells: list[Any] = column.tolist()
    return ["" if np.isnan(value) else value for value in cells] if column.dtype.kind == "f" else cells
