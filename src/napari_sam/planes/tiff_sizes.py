"""Sizes of pixels and names of channels that TIFF files state: OME-XML, ImageJ, LSM, slides, resolution tags."""

import re
from typing import Any, TypeAlias
from xml.etree import ElementTree

import tifffile

from napari_sam.planes.units import in_centimeters, unit_name

Sizes: TypeAlias = dict[str, tuple[float, str]]
"""Size of a pixel and its unit by the name of the axis, as far as they are stated."""

_SPATIAL = "ZYX"
_MICROMETERS_PER_CENTIMETER = 1e4
# Screens and printers: programs write them into any file, whatever it shows.
_OF_SCREENS = (72.0, 96.0, 300.0)
# Chosen: pixels of 21 micrometres. Coarser ones in inches come from programs that print.
_FINEST_PRINT = 1200.0


def tiff_sizes(file: tifffile.TiffFile, series: tifffile.TiffPageSeries, number: int) -> Sizes:
    """Read the size and unit per axis name, as far as the file states them.

    Parameters
    ----------
    file
        The file.
    series, number
        Which of its images.
    """
    if file.is_ome and file.ome_metadata:
        return _ome_sizes(file.ome_metadata, number)
    if file.is_imagej and file.imagej_metadata:
        return _imagej_sizes(file.imagej_metadata, file.pages.first.tags)
    if file.is_lsm and file.lsm_metadata:
        return _lsm_sizes(file.lsm_metadata)
    tags = series.keyframe.tags
    stated = re.search(r"\bMPP\s*=\s*([\d.]+)", str(series.keyframe.description)) if file.is_svs else None
    if stated is not None and (size := _positive(stated[1])):
        return {"y": (size, "micrometer"), "x": (size, "micrometer")}
    return _resolution(tags)


def channel_names(file: tifffile.TiffFile, series: tifffile.TiffPageSeries, number: int) -> tuple[str, ...]:
    """Return how the channels of an image are called; none where the file does not say."""
    if file.is_ome and file.ome_metadata:
        pixels = _ome_pixels(file.ome_metadata, number)
        channels = [] if pixels is None else pixels.findall("{*}Channel")
        names = tuple(channel.get("Name", "") for channel in channels)
        return names if any(names) else ()
    if file.is_imagej and file.imagej_metadata and "C" in series.axes:
        return _imagej_names(file.imagej_metadata.get("Labels"), series.shape[series.axes.index("C")])
    return ()


def _imagej_names(labels: Any, count: int) -> tuple[str, ...]:
    """Return the labels of slices where they tell channels, which go fastest, and nothing else apart."""
    if not isinstance(labels, list | tuple) or len(labels) < count:
        return ()
    names = [{str(label) for label in labels[at::count]} for at in range(count)]
    return tuple(each.pop() for each in names) if all(len(each) == 1 for each in names) else ()


def _ome_pixels(xml: str, number: int) -> ElementTree.Element | None:
    every = ElementTree.fromstring(xml).findall(".//{*}Pixels")
    return every[number if number < len(every) else 0] if every else None


def _ome_sizes(xml: str, number: int) -> Sizes:
    pixels = _ome_pixels(xml, number)
    if pixels is None:
        return {}
    sizes = {}
    for letter in _SPATIAL:
        size = _positive(pixels.get(f"PhysicalSize{letter}"))
        if size:
            sizes[letter.lower()] = (size, unit_name(pixels.get(f"PhysicalSize{letter}Unit", "µm")))
    interval = _positive(pixels.get("TimeIncrement"))
    if interval:
        sizes["t"] = (interval, unit_name(pixels.get("TimeIncrementUnit", "s")))
    return sizes


def _imagej_sizes(metadata: dict[str, Any], tags: tifffile.TiffTags) -> Sizes:
    unit = str(metadata.get("unit", ""))
    sizes: Sizes = {}
    for letter in "YX":
        size = _tag_size(tags, letter)
        # An unknown unit stays one, but with it the proportions of the axes.
        if size and not (unit_name(unit) == "inch" and _is_of_screens(1 / size)):
            sizes[letter.lower()] = (size, unit_name(str(metadata.get("yunit", unit) if letter == "Y" else unit)))
    spacing = _positive(metadata.get("spacing"))
    if spacing:
        sizes["z"] = (spacing, unit_name(str(metadata.get("zunit", unit))))
    interval = _positive(metadata.get("finterval"))
    if interval:
        sizes["t"] = (interval, unit_name(str(metadata.get("tunit", "s"))))
    # Pixels of one pixel say nothing.
    return {} if all(each == (1.0, "pixel") for each in sizes.values()) else sizes


def _lsm_sizes(metadata: dict[str, Any]) -> Sizes:
    sizes = {letter.lower(): _positive(metadata.get(f"VoxelSize{letter}")) for letter in _SPATIAL}
    return {name: (size * 1e6, "micrometer") for name, size in sizes.items() if size}


def _resolution(tags: tifffile.TiffTags) -> Sizes:
    """Read the size of a pixel from resolution tags, unless it is that of a screen or a printer."""
    unit = tags.get("ResolutionUnit")
    name = {2: "inch", 3: "centimeter"}.get(int(unit.value) if unit is not None else 2, "")
    centimeters = in_centimeters(name)
    found = {}
    for letter in "YX":
        size = _tag_size(tags, letter)
        if not name or centimeters is None or not size or size == 1:
            return {}
        dots_per_inch = 2.54 / (size * centimeters)
        if _is_of_screens(dots_per_inch) or (name == "inch" and dots_per_inch <= _FINEST_PRINT):
            return {}
        found[letter.lower()] = (size * centimeters * _MICROMETERS_PER_CENTIMETER, "micrometer")
    return found


def _is_of_screens(dots_per_inch: float) -> bool:
    # In centimetres they are rounded: 28.35 for 72.
    return any(abs(dots_per_inch - usual) < 0.01 * usual for usual in _OF_SCREENS)


def _tag_size(tags: tifffile.TiffTags, letter: str) -> float | None:
    """Return the units per pixel along an axis; None where the tag is missing or senseless."""
    tag = tags.get(f"{letter}Resolution")
    value = tag.value if tag is not None else None
    if not isinstance(value, tuple) or len(value) != 2 or not value[0] or not value[1]:
        return None
    return _positive(value[1] / value[0])


def _positive(value: Any) -> float | None:
    try:
        number = abs(float(value))
    except (TypeError, ValueError):
        return None
    return number if 0 < number < float("inf") else None
