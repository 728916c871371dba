import pytest

from napari_sam.planes.units import in_centimeters, unit_name, unit_symbol


@pytest.mark.parametrize("spelling", ["µm", "μm", "um", "micron", "Micrometer", " micrometre ", "\\u00B5m"])
def test_micrometers_by_any_name(spelling):
    assert unit_name(spelling) == "micrometer"
    assert unit_symbol(spelling) == "µm"
    assert in_centimeters(spelling) == 1e-4


@pytest.mark.parametrize("spelling", ["", "pixel", "px", "furlong"])
def test_unknown_units_are_pixels(spelling):
    assert unit_name(spelling) == unit_symbol(spelling) == "pixel"
    assert in_centimeters(spelling) is None
