"""Formats that are known by name but not read here, and the way out of each."""

from pathlib import Path

_CONVERT = "open it in Fiji (Bio-Formats) and save it as OME-TIFF"
_FORMATS: dict[str, tuple[str, str]] = {
    ".czi": ("Zeiss CZI", _CONVERT),
    ".lif": ("Leica LIF", _CONVERT),
    ".nd2": ("Nikon ND2", _CONVERT),
    ".lsm": ("Zeiss LSM", _CONVERT),
    ".oib": ("Olympus OIB", _CONVERT),
    ".oif": ("Olympus OIF", _CONVERT),
    ".oir": ("Olympus OIR", _CONVERT),
    ".vsi": ("Olympus VSI", _CONVERT),
    ".ims": ("Imaris", "save it as TIFF in Imaris, or " + _CONVERT),
    ".dv": ("DeltaVision", _CONVERT),
    ".mrc": ("MRC", 'read it with the package mrcfile and give its array: "napari_sam.ImageSource(array)"'),
    ".h5": ("HDF5", 'read it with the package h5py and give its array: "napari_sam.ImageSource(file[name])"'),
    ".nii": ("NIfTI", 'read it with the package nibabel and give its array: "napari_sam.ImageSource(image.dataobj)"'),
    ".dcm": ("DICOM", "convert it to TIFF, with Fiji for example"),
    ".nrrd": ("NRRD", "save it as TIFF, with Fiji for example"),
    ".mhd": ("MetaImage", "save it as TIFF, with Fiji for example"),
    ".svg": ("SVG, a drawing", "save it as PNG"),
    ".pdf": ("PDF, a document", "save its picture as PNG"),
    ".mp4": ("a film (MP4)", "save its frames as TIFF, with Fiji for example"),
    ".avi": ("a film (AVI)", "save its frames as TIFF, with Fiji for example"),
    ".zip": ("a zip file", "unpack it"),
    ".gz": ("a compressed file", "unpack it"),
    ".companion.ome": ("OME-XML that names other files", "open one of the OME-TIFF files beside it"),
    ".xlsx": ("a table", "give the image itself"),
    ".csv": ("a table", "give the image itself"),
}
_ALIKE = {
    ".hdf5": ".h5",
    ".hdf": ".h5",
    ".ilp": ".h5",
    ".mov": ".avi",
    ".mkv": ".avi",
    ".mha": ".mhd",
    ".dicom": ".dcm",
    ".tsv": ".csv",
    ".tgz": ".gz",
}
_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"ZISRAWFILE", ".czi"),
    (b"\x89HDF\r\n\x1a\n", ".h5"),
    (b"\xda\xce\xbe\x0a", ".nd2"),
    (b"\x70\x00\x00\x00", ".lif"),
    (b"%PDF", ".pdf"),
    (b"PK\x03\x04", ".zip"),
    (b"\x1f\x8b", ".gz"),
)
BY_BIOIO = (".czi", ".lif", ".nd2")
"""What the extra [formats] reads."""


def known_format(path: Path, start: bytes) -> str:
    """Return the suffix by which the format of a file is known here; empty where it is not.

    Parameters
    ----------
    path
        The file.
    start
        Its first bytes, eight at least.
    """
    name = path.name.lower()
    for suffix in (".companion.ome", ".nii.gz"):
        if name.endswith(suffix):
            return ".nii" if suffix == ".nii.gz" else suffix
    by_start = next((suffix for known, suffix in _STARTS if start.startswith(known)), "")
    by_name = _ALIKE.get(path.suffix.lower(), path.suffix.lower())
    # Many formats are HDF5, or zip files, inside: the name says more.
    return by_name if by_name in _FORMATS else by_start


def way_out(suffix: str) -> str:
    """Return in a sentence what a format is that is not read here, and what to do."""
    called, what = _FORMATS[suffix]
    return f"this is {called}, which is not read here: {what}."
