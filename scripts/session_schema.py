"""Write the JSON schema of session files, as the code reads them, into docs/session-file.schema.json.

    python scripts/session_schema.py

Run it after a change of `napari_sam.session.record.session_form`; a test compares the two.
"""

import json
from pathlib import Path
from typing import Any

import msgspec

from napari_sam.session.record.session_form import SessionForm

SCHEMA = Path(__file__).parents[1] / "docs" / "session-file.schema.json"


def session_schema() -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "Made by scripts/session_schema.py; session-file.md says what the values mean.",
        **described(msgspec.json.schema(SessionForm)),
    }


def described(node: Any) -> Any:
    """Each description in one line, without the parts of a docstring that are for Python."""
    if isinstance(node, list | tuple):
        return [described(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: " ".join(value.split("Parameters\n")[0].split()) if key == "description" else described(value)
        for key, value in node.items()
    }


def main() -> None:
    SCHEMA.write_text(json.dumps(session_schema(), indent=2) + "\n", encoding="utf-8")
    print(SCHEMA)


if __name__ == "__main__":
    main()
