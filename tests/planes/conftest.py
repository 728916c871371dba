"""A lazy array that records what is read of it."""

import pytest

from napari_sam.testing.array_contract import ReadRecorder


@pytest.fixture(scope="session")
def counting_array() -> type[ReadRecorder]:
    return ReadRecorder
