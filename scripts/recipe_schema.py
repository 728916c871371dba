"""Write the JSON schema of recipes, as the code reads them, into docs/recipe.schema.json.

    python scripts/recipe_schema.py

Run it after a change of `napari_sam.batch.recipe`; a test compares the two.
"""

import json
from pathlib import Path
from typing import Any

import msgspec

from napari_sam.batch.recipe import Recipe
from scripts.session_schema import described

SCHEMA = Path(__file__).parents[1] / "docs" / "recipe.schema.json"


def recipe_schema() -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "Made by scripts/recipe_schema.py; batch.md says what the values mean.",
        **described(msgspec.json.schema(Recipe)),
    }


def main() -> None:
    SCHEMA.write_text(json.dumps(recipe_schema(), indent=2) + "\n", encoding="utf-8")
    print(SCHEMA)


if __name__ == "__main__":
    main()
