"""Recipes in files: reading them, saying in one sentence where one does not fit, and writing them."""

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec

from napari_sam.batch.recipe import FindStep, Recipe, RecipePart
from napari_sam.errors import UserError

_KINDS = [str(each.__struct_config__.tag) for each in get_args(FindStep)]


def read_recipe(path: str | os.PathLike[str]) -> Recipe:
    """Read a recipe from a TOML file; its names stay relative to the file's folder.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    UserError
        If it cannot be read, or says what makes no sense: which key, and on which line.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise UserError(f"There is no recipe {file}; check the name.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read as a recipe: {error}.") from error
    return recipe_from_text(text, str(file))


def recipe_from_text(text: str, name: str) -> Recipe:
    """Read a recipe from the text of a TOML file that goes by a name.

    Raises
    ------
    UserError
        As of `read_recipe`.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{name} is no TOML file: {_lowered(str(error))}.") from error
    try:
        return msgspec.convert(tree, Recipe)
    except msgspec.ValidationError as error:
        what, keys = _what_and_where(error)
        raise UserError(f"{name}, line {line_of(text, keys)}: {_told(what, keys)}.") from error


def as_recipe(given: Recipe | Mapping[str, Any]) -> Recipe:
    """Return a recipe that was given as such, or as the same tables in a mapping.

    Raises
    ------
    UserError
        If it says what makes no sense: which key.
    """
    tree = msgspec.to_builtins(given) if isinstance(given, Recipe) else given
    try:
        return msgspec.convert(tree, Recipe)
    except msgspec.ValidationError as error:
        raise UserError(f"The recipe does not fit: {_told(*_what_and_where(error))}.") from error


def _what_and_where(error: msgspec.ValidationError) -> tuple[str, list[str | int]]:
    """Return what is wrong, and the keys that lead there."""
    what, _, place = str(error).partition(" - at `$")
    keys: list[str | int] = [
        int(number) if number else name for name, number in re.findall(r"\.([^.\[\]`]+)|\[(\d+)\]", place)
    ]
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", what)
    if unknown:
        return "there is no such key", [*keys, unknown[1]]
    missing = re.fullmatch(r"Object missing required field `(.*)`", what)
    if missing:
        return f"{missing[1]} is missing", keys
    choices = _KINDS if what.startswith("Invalid value") and keys[-1:] == ["what"] else _choices(keys)
    if what.startswith(("Invalid value", "Invalid enum value")) and choices:
        what = (
            f"{what.replace(' enum', '')}; choose {' or '.join(filter(None, (', '.join(choices[:-1]), choices[-1])))}"
        )
    return re.sub(r"\barray\b", "a list as [1, 2]", what), keys


def _choices(keys: list[str | int]) -> list[str]:
    """Return what a key may be, where that is one of a few words or numbers."""
    kinds: list[Any] = [Recipe]
    for key in keys:
        if isinstance(key, str):
            parts = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, RecipePart)]
            found = [each.type for part in parts for each in msgspec.structs.fields(part) if each.name == key]
            kinds = [leaf for kind in found for leaf in _leaves(kind)]
    return list(dict.fromkeys(str(each) for kind in kinds if get_origin(kind) is Literal for each in get_args(kind)))


def _leaves(kind: Any) -> Iterator[Any]:
    """Yield the types that an annotated type, a list or a union is made of."""
    if get_origin(kind) in (None, Literal):
        yield kind
    else:
        for each in get_args(kind):
            yield from _leaves(each)


def _told(what: str, keys: list[str | int]) -> str:
    where = "".join(f"[{key + 1}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")
    said = _lowered(what.replace("`", ""))
    return f"{where}: {said}" if where else said


def _lowered(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def line_of(text: str, keys: list[str | int]) -> int:
    """Return the line of a TOML text, from 1 on, on which keys lead to a value; of the nearest table if it has none."""
    names = [key for key in keys if isinstance(key, str)]
    wanted = next((key for key in keys if isinstance(key, int)), 0)
    table: list[str] = []
    met: dict[str, int] = {}
    best, depth = 1, -1
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]", line):
            table = [each.strip().strip("\"'") for each in header[2].split(".")]
            met[header[2]] = met.get(header[2], -1) + 1
            here, counts = table, header[1] == "[" or met[header[2]] == wanted
        elif key := re.match(r"\s*([\w.\"'-]+)\s*=", line):
            here = [*table, *(each.strip("\"'") for each in key[1].split("."))]
        else:
            continue
        # An entry of a list of tables is another one than its neighbours.
        if (not table or counts) and names[: len(here)] == here and len(here) > depth:
            best, depth = number, len(here)
    return best


_SPELLED = {"confidence", "likeness", "overlap", "name"}
"""Keys that are written though they have their defaults: they are what one looks for first."""


def recipe_text(recipe: Recipe) -> str:
    """Write a recipe as the text of a TOML file, without most of what has its default.

    Parameters
    ----------
    recipe
        The recipe.

    Returns
    -------
    str
        `recipe_from_text` reads the same recipe from it.
    """
    lines = ["# A recipe of napari-sam: run it by napari-sam batch THIS_FILE", f"format = {recipe.format}"]
    for table in msgspec.structs.fields(recipe):
        content = getattr(recipe, table.name)
        many = isinstance(content, tuple)
        for part in content if many else [content]:
            if isinstance(part, RecipePart):
                header = f"[[{table.name}]]" if many else f"[{table.name}]"
                lines += ["", header, *(f"{key} = {_value(value)}" for key, value in _entries(part))]
    return "\n".join(lines) + "\n"


def _entries(part: RecipePart) -> Iterator[tuple[str, Any]]:
    config = part.__struct_config__
    if config.tag is not None:
        yield str(config.tag_field), config.tag
    for each in msgspec.structs.fields(part):
        value = getattr(part, each.name)
        if value is not None and (each.name in _SPELLED or value != each.default):
            yield each.name, value


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    # Strings, numbers and truth values are in TOML what they are in JSON, but for this one character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
