"""Units of length and time: one name for each, and the symbols that files use."""

_SPELLINGS = {
    "picometer": ("pm", "picometre"),
    "angstrom": ("å", "ångström", "a"),
    "nanometer": ("nm", "nanometre"),
    "micrometer": ("µm", "μm", "um", "micron", "microns", "micrometre", "\\u00b5m"),
    "millimeter": ("mm", "millimetre"),
    "centimeter": ("cm", "centimetre"),
    "meter": ("m", "metre"),
    "inch": ("in", "inches"),
    "pixel": ("px", "pixels", ""),
    "nanosecond": ("ns",),
    "microsecond": ("µs", "μs", "us"),
    "millisecond": ("ms", "msec"),
    "second": ("s", "sec", "seconds"),
    "minute": ("min", "minutes"),
    "hour": ("h", "hours"),
    "day": ("d", "days"),
}
_NAMES = {spelling: name for name, spellings in _SPELLINGS.items() for spelling in (name, *spellings)}
_SYMBOLS = {
    "picometer": "pm",
    "angstrom": "Å",
    "nanometer": "nm",
    "micrometer": "µm",
    "millimeter": "mm",
    "centimeter": "cm",
    "meter": "m",
    "inch": "in",
    "pixel": "pixel",
    "nanosecond": "ns",
    "microsecond": "µs",
    "millisecond": "ms",
    "second": "s",
    "minute": "min",
    "hour": "h",
    "day": "d",
}
_CENTIMETERS = {
    "picometer": 1e-10,
    "angstrom": 1e-8,
    "nanometer": 1e-7,
    "micrometer": 1e-4,
    "millimeter": 0.1,
    "centimeter": 1.0,
    "meter": 100.0,
    "inch": 2.54,
}


def unit_name(spelling: str) -> str:
    """Return the full English name of a unit, as napari and OME-Zarr write it; unknown ones are pixels."""
    return _NAMES.get(spelling.strip().lower(), "pixel")


def unit_symbol(spelling: str) -> str:
    """Return the symbol of a unit, as OME-XML writes it; unknown ones are pixels."""
    return _SYMBOLS[unit_name(spelling)]


def in_centimeters(spelling: str) -> float | None:
    """Return the length of a unit in centimetres; None if it is no length."""
    return _CENTIMETERS.get(unit_name(spelling))
