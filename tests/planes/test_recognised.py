"""An image is recognised by its pixels, whether its channels lie together, elsewhere, or were split off."""

from dataclasses import replace

import numpy as np
import pytest

from napari_sam.errors import UserError
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_identity import ImageIdentity
from napari_sam.planes.image_source import ImageSource

PIXELS = np.random.default_rng(0).integers(0, 4000, (5, 2, 64, 64), np.uint16)
FILE = ImageSource(PIXELS, channel_axis=1, axis_labels="zyx", channel_names=("DAPI", "GFP"))
PLANE, WHOLE = Plane((1, 2), (3, 0, 0)), (slice(None), slice(None))


@pytest.mark.parametrize("channel", [0, 1])
@pytest.mark.parametrize("chosen", [None, (0,), (1,)])
def test_a_session_on_a_channel_that_was_split_off_knows_which(channel: int, chosen: tuple[int, ...] | None) -> None:
    identity = ImageIdentity.of(ImageSource(PIXELS[:, channel]))
    found = identity.recognise(ImageSource(PIXELS, channel_axis=1, shown=chosen))
    assert (found.shape, found.n_channels) == ((5, 64, 64), 1)
    np.testing.assert_array_equal(found.read(PLANE, *WHOLE)[..., 0], PIXELS[3, channel])


def test_channels_that_lay_elsewhere_are_found(tmp_path) -> None:
    # As a viewer stacks layers: channels first.
    identity = ImageIdentity.of(ImageSource(PIXELS.swapaxes(0, 1), channel_axis=0, shown=(1, 0)))
    found = identity.recognise(FILE)
    assert (found.channel_axis, found.shown) == (1, (1, 0))
    np.testing.assert_array_equal(found.read(PLANE, *WHOLE), PIXELS[3].transpose(1, 2, 0))


def test_other_pixels_and_shapes_are_refused() -> None:
    identity = ImageIdentity.of(ImageSource(PIXELS[:, 0]))
    with pytest.raises(UserError, match="other pixels"):
        identity.recognise(ImageSource(PIXELS + 1, channel_axis=1))
    with pytest.raises(UserError, match=r"shape \(5, 64, 64\).*this one \(5, 64, 60\)"):
        identity.recognise(ImageSource(PIXELS[..., :60], channel_axis=1))
    with pytest.raises(UserError, match="type uint16"):
        identity.recognise(ImageSource(PIXELS.astype(np.int32), channel_axis=1))
    assert replace(identity, fingerprint="").recognise(FILE).n_channels == 1
