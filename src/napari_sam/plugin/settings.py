"""The few things that the plugin remembers about its user, from one start to the next."""

import json
import os
from pathlib import Path
from typing import Any

import platformdirs

CONFIG_VARIABLE = "NAPARI_SAM_CONFIG"


def settings_path() -> Path:
    """Return the path of the file: in ``$NAPARI_SAM_CONFIG``, or in the user's configuration folder."""
    chosen = os.environ.get(CONFIG_VARIABLE)
    folder = Path(chosen).expanduser() if chosen else platformdirs.user_config_path("napari-sam", appauthor=False)
    return folder / "settings.json"


def recall(name: str) -> Any:
    """Return a remembered value; None where nothing, or nothing legible, is remembered."""
    return _read().get(name)


def remember(name: str, value: Any) -> None:
    """Remember a value that JSON holds; where that cannot be written, it is forgotten without a word."""
    path = settings_path()
    kept = {**_read(), name: value}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.{os.getpid()}")
        # A token is among them, which is nobody else's business.
        beside.touch(mode=0o600)
        beside.write_text(json.dumps(kept, indent=1), encoding="utf-8")
        beside.replace(path)
    except OSError:
        return


def _read() -> dict[str, Any]:
    try:
        values = json.loads(settings_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}
