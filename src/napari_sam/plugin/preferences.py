"""The user's preferences: napari's own Preferences where it has them for plugins (0.9 and later), else a file.

The manifest declares the same settings under ``configurations``; a test holds the two alike.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from napari_sam.labels.paint import Collision
from napari_sam.models.registry import REGISTRY
from napari_sam.plugin.settings import recall, remember
from napari_sam.session.record.versions import DEFAULT_MEGABYTES, VersionStore, versions_folder

PLUGIN = "napari-sam-stacks"
_REMEMBERED = "preferences"
LARGEST_OBJECT = 100_000
"""Bound on the object size, in pixels: that of the panel's own box."""
LEAST_MEGABYTES, MOST_MEGABYTES = 64, 65_536
"""Bounds on the memory for embeddings. Below 64 MB not even a large plane stays embedded while it is clicked."""
MOST_VERSION_MEGABYTES = 2**20
"""Bound on the disk for earlier versions, chosen: a terabyte."""


class Device(StrEnum):
    """A device to compute on, as the user may choose it."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"


@dataclass(frozen=True)
class Preferences:
    """The user's preferences; each counts when the panel is opened next.

    Parameters
    ----------
    model
        Name of the model that the panel begins with.
    object_size
        Diameter of objects in pixels that the panel begins with; 0 for auto.
    collision
        Choice that the panel begins with of what happens to pixels of other objects.
    device
        Device that computes.
    embedding_megabytes
        Bound on the memory that embeddings of one image take.
    autosave
        True to log what is done, so that it can be restored after a crash.
    versions_megabytes
        Bound on the disk that earlier versions of saved labels take; 0 to keep none.
    """

    model: str = "nano"
    object_size: int = 0
    collision: Collision = Collision.KEEP
    device: Device = Device.AUTO
    embedding_megabytes: int = 768
    autosave: bool = True
    versions_megabytes: int = DEFAULT_MEGABYTES

    @property
    def versions(self) -> VersionStore:
        """Where earlier versions of saved labels are kept."""
        return VersionStore(versions_folder(), self.versions_megabytes * 2**20)


PLACES = {
    "model": ("start", "model"),
    "object_size": ("start", "object_size"),
    "collision": ("start", "collision"),
    "device": ("computing", "device"),
    "embedding_megabytes": ("computing", "embedding_megabytes"),
    "autosave": ("safety", "autosave"),
    "versions_megabytes": ("safety", "versions_megabytes"),
}
"""For each preference, its category and its name in the manifest."""


def preferences() -> Preferences:
    """Return the user's preferences, from napari's where there are any, else from the file; bad values are defaults.

    napari's are written to the file, so that an older napari finds what was chosen in a newer one.
    """
    found = _from_napari()
    if found is None:
        return checked(recall(_REMEMBERED))
    chosen = checked(found)
    if found != recall(_REMEMBERED):
        remember(_REMEMBERED, found)
    return chosen


def checked(found: Any) -> Preferences:
    """Return the preferences of a mapping, with defaults in place of what is missing or makes no sense.

    Parameters
    ----------
    found
        Anything: what a file holds may have been written by hand.
    """
    values = found if isinstance(found, dict) else {}
    default = Preferences()
    return Preferences(
        values["model"] if values.get("model") in tuple(REGISTRY) else default.model,
        _whole(values.get("object_size"), 0, LARGEST_OBJECT, default.object_size),
        Collision(values["collision"]) if values.get("collision") in tuple(Collision) else default.collision,
        Device(values["device"]) if values.get("device") in tuple(Device) else default.device,
        _whole(values.get("embedding_megabytes"), LEAST_MEGABYTES, MOST_MEGABYTES, default.embedding_megabytes),
        values["autosave"] if isinstance(values.get("autosave"), bool) else default.autosave,
        _whole(values.get("versions_megabytes"), 0, MOST_VERSION_MEGABYTES, default.versions_megabytes),
    )


def _whole(value: Any, least: int, most: int, default: int) -> int:
    fits = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    return value if fits else default


def _from_napari() -> dict[str, Any] | None:
    """Return what napari's Preferences hold; None where napari has none for plugins, or does not know this one."""
    try:
        from napari.settings import get_plugin_settings

        settings = get_plugin_settings(PLUGIN)
        return {name: getattr(getattr(settings, category), key) for name, (category, key) in PLACES.items()}
    # Before 0.9 there is no such function; a plugin that is disabled, or run without its manifest, has no settings.
    except (ImportError, KeyError, AttributeError):
        return None
