"""The committed JSON schema is the one that the code gives, and what is written keeps to it."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from napari_sam.planes.image_source import ImageSource
from napari_sam.session.record.session_file import content_to_json, write_session
from napari_sam.testing.fake_engine import FakeEngine
from scripts.session_schema import SCHEMA, session_schema
from tests.session.test_replay import PLACES, blobs, content_of, worked
from tests.session.test_session_file import contents

FORMER = Path(__file__).parent / "former"
VALIDATOR = Draft202012Validator(session_schema())


def refusals(path: Path) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(json.loads(path.read_text(encoding="utf-8")))]


def test_the_committed_schema_is_the_one_that_the_code_gives():
    committed = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert committed == session_schema(), "run python scripts/session_schema.py"
    Draft202012Validator.check_schema(committed)


@pytest.mark.parametrize("path", sorted(FORMER.glob("*.session.json")), ids=lambda path: path.name)
def test_former_files_keep_to_the_schema(path):
    assert not refusals(path)


@pytest.mark.parametrize("empty", [True, False])
def test_what_a_session_writes_keeps_to_the_schema(empty, tmp_path):
    labels = np.zeros((9, 40, 50), np.uint16)
    if not empty:
        labels[:, 20:28, 3:20] = 3
    session, user = worked(FakeEngine(ambiguous=True), ImageSource(blobs()), PLACES, 3, 60, labels)
    write_session(tmp_path / "a.session.json", content_of(session, user.target))
    session.close()
    assert not refusals(tmp_path / "a.session.json")


@settings(max_examples=40, deadline=None)
@given(contents)
def test_whatever_can_be_written_keeps_to_the_schema(content):
    VALIDATOR.validate(json.loads(json.dumps(content_to_json(content))))


@pytest.mark.parametrize(
    "damage",
    [
        lambda tree: tree.update(version=2),
        lambda tree: tree.pop("image"),
        lambda tree: tree["labels"].update(dtype="float32"),
        lambda tree: tree["events"][0].update(do="explode"),
        lambda tree: tree["areas"].append([0, 0, 1, 1, 0, 5]),
    ],
)
def test_the_schema_refuses_what_is_no_session(damage):
    tree = json.loads((FORMER / "3.session.json").read_text(encoding="utf-8"))
    damage(tree)
    assert not VALIDATOR.is_valid(tree)
