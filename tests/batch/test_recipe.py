"""Recipes are read, refused in one sentence with key and line, and written."""

import json
import math
import re
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from napari_sam.batch.recipe import (
    AlikeStep,
    ContrastChoice,
    EditStep,
    EverythingStep,
    FindStep,
    ImageChoice,
    MeasureChoice,
    ModelChoice,
    OutputChoice,
    PromptsStep,
    Recipe,
    RefineStep,
    VolumesStep,
)
from napari_sam.batch.recipe_file import as_recipe, recipe_from_text, recipe_text
from napari_sam.errors import UserError
from scripts.recipe_schema import SCHEMA, recipe_schema

TEXT = """\
format = 1

[images]
files = ["*.tif"]

[find]
what = "everything"
confidence = 0.5

[[edit]]
do = "fill_holes"

[[edit]]
do = "smooth"
distance = 2

[outputs]
folder = "out"
"""

shares = st.floats(0, 1)
sizes = st.floats(0.1, 1e6)
names = st.text(min_size=1, max_size=12)
finding = {
    "smallest": st.floats(0, 10),
    "largest": st.none() | st.floats(10, 1e4),
    "unit": st.sampled_from(["pixel", "um", "nm"]),
    "overlap": shares,
    "border": st.sampled_from(["keep", "drop"]),
    "region": st.none() | st.tuples(*[st.floats(0, 100)] * 4),
}
steps = st.one_of(
    st.builds(EverythingStep, confidence=shares, planes=st.none() | st.tuples(st.integers(0, 9)), **finding),
    st.builds(VolumesStep, confidence=shares, axis=st.integers(-3, 3), movement=st.none() | sizes, **finding),
    st.builds(AlikeStep, labels=names, image=names, ids=st.none() | st.just((3, 7)), likeness=shares, **finding),
    st.builds(PromptsStep, table=st.none() | names, carry=st.booleans(), three_views=st.none() | st.booleans()),
    st.builds(RefineStep, labels=st.none() | names),
)
edits = st.one_of(
    st.builds(EditStep, do=st.sampled_from(["fill_holes", "keep_largest_part"])),
    st.builds(EditStep, do=st.sampled_from(["smooth", "grow", "shrink"]), distance=sizes, unit=st.just("um")),
)
recipes = st.builds(
    Recipe,
    images=st.builds(
        ImageChoice,
        files=st.lists(names, min_size=1, max_size=3).map(tuple),
        channel=st.none() | st.integers(0, 3) | names | st.just((0, "DAPI")),
        scale=st.none() | st.tuples(sizes, sizes),
    ),
    find=steps,
    model=st.builds(ModelChoice, name=names),
    contrast=st.none() | st.just(ContrastChoice(limits=((0.0, 255.0),))),
    edit=st.lists(edits, max_size=3).map(tuple),
    outputs=st.builds(OutputChoice, folder=names, overwrite=st.booleans(), formats=st.just(("ome-zarr", "qupath"))),
    measure=st.none() | st.builds(MeasureChoice, by_plane=st.booleans()),
)


@given(recipes)
def test_what_is_written_is_read_again(recipe: Recipe) -> None:
    text = recipe_text(recipe)
    assert recipe_from_text(text, "recipe.toml") == recipe
    assert as_recipe(recipe) == recipe
    assert "inf" not in text
    assert "nan" not in text


@pytest.mark.parametrize(
    ("former", "now", "said"),
    [
        ("0.5", "1.5", "line 8: find.confidence: expected float <= 1.0."),
        ("confidence", "confidnece", "line 8: find.confidnece: there is no such key."),
        ('"everything"', '"everythin"', "line 7: find.what: invalid value 'everythin'; choose everything, volumes"),
        ('what = "everything"\n', "", "line 6: find: what is missing"),
        ("confidence = 0.5", 'border = "droop"', "line 8: find.border: invalid value 'droop'; choose keep or drop."),
        (
            '"fill_holes"',
            '"fill"',
            "invalid value 'fill'; choose fill_holes, keep_largest_part, smooth, grow or shrink.",
        ),
        ("format = 1", "format = 3", "line 1: format: invalid value 3; choose 1."),
        ("confidence = 0.5", "planes = 3", "line 8: find.planes: expected a list as [1, 2] | null, got int."),
        ("[outputs]", '[outputs]\nformats = ["png", "png"]', "outputs: formats names one twice: png, png."),
        ("distance = 2", 'distance = "2"', "line 15: edit[2].distance: expected float | null, got str."),
        ("distance = 2", "", "line 13: edit[2]: smooth needs a distance."),
        ('files = ["*.tif"]', "", "line 3: images: give files"),
        ("[outputs]", "[output]", "line 17: output: there is no such key."),
        ("format = 1", "format = 2", "line 1: format: "),
        ("confidence = 0.5", "smallest = 9\nlargest = 3", "line 6: find: smallest is 9, but largest 3."),
        ("confidence = 0.5", 'unit = "furlong"', "line 6: find: unit is pixel or a length"),
        ("[find]", "[find", "is no TOML file"),
        ("[find]", "[find.deep]", "find"),
    ],
)
def test_what_does_not_fit_is_one_sentence_with_key_and_line(former: str, now: str, said: str) -> None:
    assert former in TEXT
    with pytest.raises(UserError) as refused:
        recipe_from_text(TEXT.replace(former, now), "recipe.toml")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith("recipe.toml")


def test_the_guide_names_every_key_and_its_recipe_is_one() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "batch.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```toml\n(.*?)```", guide, re.DOTALL)
    assert recipe_from_text(block, "").edit
    parts = (ImageChoice, ModelChoice, ContrastChoice, *get_args(FindStep), EditStep, OutputChoice, MeasureChoice)
    named = set(re.findall(r"\w+", guide))
    assert {field for part in parts for field in part.__struct_fields__} <= named
    assert {str(step.__struct_config__.tag) for step in get_args(FindStep)} <= named


def test_a_mapping_is_a_recipe_and_what_is_wrong_in_it_is_named() -> None:
    tree = {"images": {"files": ["a.tif"]}, "find": {"what": "volumes", "largest": 20}}
    assert as_recipe(tree).find == VolumesStep(largest=20.0)
    with pytest.raises(UserError, match=r"find.overlap: expected float <= 1"):
        as_recipe({**tree, "find": {"what": "volumes", "overlap": 2}})
    broken = Recipe(images=ImageChoice(files=("a",)), find=EverythingStep(confidence=math.nan))
    with pytest.raises(UserError, match=r"find.confidence"):
        as_recipe(broken)


def test_the_committed_schema_is_the_one_that_the_code_gives_and_takes_what_is_read() -> None:
    committed = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert committed == recipe_schema(), "run python scripts/recipe_schema.py"
    validator = Draft202012Validator(committed)
    good = {"images": {"files": ["a"]}, "find": {"what": "refine"}}
    assert validator.is_valid(good)
    assert not validator.is_valid({**good, "find": {"what": "nothing"}})
    assert not validator.is_valid({**good, "modell": {}})
