"""Session files: everything comes back, and nothing that is damaged gets through."""

import contextlib
import json
import math
import random
import zlib
from pathlib import Path

import msgspec
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_sam.errors import UserError
from napari_sam.labels.paint import Collision
from napari_sam.planes.contrast import Contrast
from napari_sam.planes.geometry import Mask, Outline, Plane
from napari_sam.planes.image_identity import ImageIdentity
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.json_form import PromptsForm, prompts_form, read_prompts, to_json
from napari_sam.prompts.prompt import Point
from napari_sam.segment.segmentation import Setup
from napari_sam.session.labels.edit_description import EditDescription, EditKind
from napari_sam.session.labels.packed_labels import PackedLabels
from napari_sam.session.labels.target import ArrayTarget
from napari_sam.session.record.annotation import Accepted, Annotation, Deleted, Edited, Painted, Relabelled, Renamed
from napari_sam.session.record.object_record import ObjectRecord, PlaneRecord, PropagateStep, SegmentStep
from napari_sam.session.record.replay import replay
from napari_sam.session.record.session_file import (
    SessionContent,
    content_from_json,
    content_to_json,
    open_session,
    read_session,
    session_path,
    write_session,
)
from napari_sam.session.session import Session
from napari_sam.testing import strategies
from napari_sam.testing.event_loop import ManualEventLoop
from napari_sam.testing.fake_engine import FakeEngine

coordinate = st.floats(-1e6, 1e6, allow_nan=False)
windows = strategies.windows(origin=(-1e6, 1e6), step=(0.01, 64), side=(1, 1024))


@st.composite
def masks(draw, decoded=True):
    pixels = draw(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=12)))
    row, column = draw(st.integers(-50, 5000)), draw(st.integers(-50, 5000))
    logits = window = outline = None
    if decoded and draw(st.booleans()):
        logits = draw(hnp.arrays(np.float32, (3, 4), elements=st.floats(-30, 30, width=32)))
        window = draw(windows)
    if draw(st.booleans()):
        outline = Outline("polygon", draw(hnp.arrays(np.float64, (5, 2), elements=coordinate)))
    return Mask(
        (row, column, row + pixels.shape[0], column + pixels.shape[1]),
        pixels,
        draw(st.one_of(st.just(float("nan")), st.floats(0, 1))),
        logits,
        window,
        outline,
    )


prompts = strategies.prompts(strategies.pairs(-1e6, 1e6), masks())
planes = st.builds(
    lambda index, axes: Plane(axes, index), st.tuples(*[st.integers(0, 500)] * 3), st.sampled_from([(1, 2), (0, 2)])
)
setups = st.builds(
    Setup,
    st.sampled_from(["nano", "/models/mine.safetensors"]),
    st.sampled_from(["", "ab" * 32]),
    st.sampled_from(["float32", "bfloat16"]),
    st.just("cpu"),
    st.none() | st.builds(Contrast, st.tuples(st.tuples(st.floats(-10, 0), st.floats(1, 65535))), st.booleans()),
    st.none() | st.just((0, 2)),
)


@st.composite
def records(draw):
    steps = []
    for _ in range(draw(st.integers(1, 4))):
        common = {
            "setup": draw(st.none() | setups),
            "areas": tuple(draw(st.lists(windows, max_size=3))),
        }
        if steps and isinstance(steps[0], SegmentStep) and draw(st.booleans()):
            plane = draw(planes)
            axis = next(axis for axis in range(3) if axis not in plane.axes)
            reached = draw(st.none() | st.integers(0, 9))
            steps.append(PropagateStep(plane, axis, 0, draw(st.integers(1, 9)), ((3, 0),), reached, **common))
        else:
            corrects = draw(st.none() | st.integers(0, len(steps) - 1)) if steps else None
            size = draw(st.none() | st.floats(1, 500))
            said = draw(prompts)
            steps.append(SegmentStep(draw(planes), said, size, corrects, draw(st.booleans()), None, **common))
    found = []
    for at, step in enumerate(steps):
        candidates = tuple(draw(st.lists(masks(decoded=False), max_size=3)))
        chosen = draw(st.integers(0, len(candidates) - 1)) if candidates else 0
        asked = at if isinstance(step, SegmentStep) else None
        confidence = None if asked is not None else draw(st.floats(0, 1))
        found.append(PlaneRecord(step.plane, asked, at, candidates, chosen, confidence))
    order = ((steps[0].plane, "point"),)
    name = draw(st.text(max_size=10))
    return ObjectRecord(draw(st.integers(1, 2**40)), name, tuple(steps), tuple(found), order, draw(st.booleans()))


@st.composite
def packed(draw):
    start = draw(st.tuples(*[st.integers(0, 1000)] * 3))
    shape = draw(st.tuples(*[st.integers(1, 5)] * 3))
    where = draw(st.none() | hnp.arrays(bool, shape))
    count = math.prod(shape) if where is None else int(where.sum())
    dtype = draw(st.sampled_from([np.uint8, np.uint16, np.int32, np.uint64]))
    values = draw(hnp.arrays(dtype, count))
    return PackedLabels.of(tuple((at, at + size) for at, size in zip(start, shape, strict=True)), where, values)


bounds = st.just(((0, 3), (4, 9), (1, 1)))
events = st.one_of(
    st.builds(Accepted, records(), st.sampled_from(Collision), st.booleans(), st.lists(planes, max_size=2).map(tuple)),
    st.builds(Painted, packed(), st.lists(records(), max_size=1).map(tuple), st.just((4, 5))),
    st.builds(
        Edited,
        st.builds(
            EditDescription,
            st.sampled_from(EditKind),
            st.lists(st.integers(1, 99), max_size=3).map(tuple),
            st.none() | planes,
            st.floats(0, 50),
            st.sampled_from(["", "µm", "px"]),
            st.lists(st.tuples(planes, st.floats(0, 500), st.floats(0, 500)), max_size=2).map(tuple),
        ),
        st.lists(packed(), max_size=2).map(tuple),
        st.lists(records(), max_size=1).map(tuple),
        st.just((4, 5)),
    ),
    st.builds(Deleted, st.integers(1, 99), bounds),
    st.builds(Relabelled, st.integers(1, 99), st.integers(1, 99), bounds),
    st.builds(Renamed, st.integers(1, 99), st.text(max_size=5)),
)
contents = st.builds(
    SessionContent,
    st.builds(
        ImageIdentity,
        st.just((9, 400, 500)),
        st.just("uint16"),
        st.booleans(),
        st.none() | st.just(3),
        st.integers(1, 4),
        st.none() | st.just((2.0, 0.5, 0.5)),
        st.none() | st.just(("z", "y", "x")),
        st.none() | st.just(("um", "um", "um")),
        st.just("cd" * 32),
        st.text(max_size=20),
    ),
    st.builds(
        Annotation,
        st.just((9, 400, 500)),
        st.just("uint16"),
        st.lists(packed(), max_size=2).map(tuple),
        st.lists(events, max_size=3).map(tuple),
        st.none() | records(),
    ),
    st.just("labels.tif"),
    st.just({"torch": "2.4"}),
)


def plain(thing):
    """Nested lists in which equal things are equal, arrays and NaN included."""
    if isinstance(thing, np.ndarray):
        return [str(thing.dtype), thing.shape, thing.tobytes()]
    if isinstance(thing, float):
        return repr(thing)
    if isinstance(thing, tuple | list):
        return [plain(each) for each in thing]
    if hasattr(thing, "__dataclass_fields__"):
        return [type(thing).__name__, *(plain(getattr(thing, name)) for name in thing.__dataclass_fields__)]
    return thing


@given(prompts)
def test_prompts_come_back(said):
    tree = json.loads(json.dumps(to_json(prompts_form(said))))
    assert plain(read_prompts(msgspec.convert(tree, PromptsForm))) == plain(said)


@settings(max_examples=60, deadline=None)
@given(contents)
def test_a_session_comes_back(content):
    text = json.dumps(content_to_json(content), allow_nan=False)
    assert plain(content_from_json(json.loads(text))) == plain(content)


@settings(max_examples=60, deadline=None)
@given(contents, st.integers(0, 2**32))
def test_damage_is_refused_or_harmless(content, seed):
    """Whatever is cut out of the JSON: either it still reads, or it is refused as a UserError."""
    chance = random.Random(seed)
    tree = json.loads(json.dumps(content_to_json(content)))
    at = tree
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at))) if isinstance(at, list) else []
        if not keys:
            break
        key = chance.choice(keys)
        if chance.random() < 0.4 or not isinstance(at[key], dict | list):
            replacement = chance.choice([None, -1, 10**30, "x", [], {}, [[]], True, 0.5, "missing"])
            if replacement == "missing" and isinstance(at, dict):
                del at[key]
            else:
                at[key] = replacement
            break
        at = at[key]
    with contextlib.suppress(UserError):
        content_from_json(tree)


FORMER = Path(__file__).parent / "former" / "3.session.json"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda tree: tree["labels"].pop("file"), "labels: Object missing required field file"),
        (lambda tree: tree["events"][2].update(do="explode"), "events[2].do: Invalid value 'explode'"),
        (
            lambda tree: tree["events"][0]["object"].update(label="1"),
            "events[0].object.label: Expected int | null, got",
        ),
        (lambda tree: tree["events"][0]["object"].update(label=None), "events[0]: an accepted object has no id"),
        (lambda tree: tree["setups"].clear(), "events[0]: there is no setup number 0"),
        (
            lambda tree: tree["events"][0]["object"]["planes"][0].update(shown=99),
            "events[0].object: a plane refers to a step that is not there",
        ),
        (
            lambda tree: tree["events"][0]["object"]["planes"][0]["candidates"][0].update(bits="eJw="),
            "events[0]: 0 bytes were found where",
        ),
        (lambda tree: tree["draft"].update(name="x" * 5000, order=["\n" * 50]), "draft.order[0]: Expected array, got"),
        (lambda tree: tree["areas"].append([0, 0, 1, 0, 5, 5]), "areas["),
    ],
)
def test_damage_is_told_in_one_sentence_that_says_what_and_where(damage, said, tmp_path):
    tree = json.loads(FORMER.read_text(encoding="utf-8"))
    damage(tree)
    path = tmp_path / "damaged.session.json"
    path.write_text(json.dumps(tree), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_session(path)
    sentence = str(caught.value)
    assert sentence.startswith(f"{path} cannot be used: it is damaged ({said}")
    assert sentence.endswith(").")
    assert "\n" not in sentence
    assert len(sentence) < 300 + len(str(path))


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
def test_what_is_no_number_is_refused(number, tmp_path):
    text = FORMER.read_text(encoding="utf-8")
    path = tmp_path / "damaged.session.json"
    path.write_text(text.replace('"points":[[', f'"points":[[{number},1,true],[', 1), encoding="utf-8")
    assert number in path.read_text(encoding="utf-8")
    with pytest.raises(UserError, match="damaged"):
        read_session(path)


def test_a_newer_format_is_refused_with_what_to_do(tmp_path):
    path = tmp_path / "new.session.json"
    path.write_text(json.dumps({"format": "napari-sam session", "version": 99, "anything": "else"}))
    with pytest.raises(UserError, match=r"newer version.*update"):
        read_session(path)
    assert path.read_text().endswith('"else"}')


def test_a_packed_bomb_is_refused_before_it_fills_the_memory():
    bomb = zlib.compress(b"\0" * 2**24)
    labels = PackedLabels(((0, 2), (0, 2)), "<u2", 4, b"", bomb)
    with pytest.raises(ValueError, match="bytes were found"):
        labels.check()


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "a.session.json"
    path.write_text("old")
    image = ImageIdentity((2, 2), "uint8")
    annotation = Annotation((2, 2), "uint8", draft=ObjectRecord(float("nan"), "", (), ()))  # NaN is no JSON
    with pytest.raises(ValueError, match="JSON"):
        write_session(path, SessionContent(image, annotation))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("labels", "session"),
    [("a.tif", "a.session.json"), ("a.ome.tif", "a.session.json"), ("b.c.TIFF", "b.c.session.json")],
)
def test_a_session_goes_beside_its_labels(labels, session, tmp_path):
    assert session_path(tmp_path / labels) == tmp_path / session


def test_the_example_in_the_docs_is_a_session_that_can_be_replayed():
    page = Path(__file__).parents[2] / "docs" / "session-file.md"
    example = json.loads(page.read_text(encoding="utf-8").split("```json\n")[1].split("```")[0])
    content = content_from_json(example)
    assert json.loads(json.dumps(content_to_json(content))) == example
    stack = np.zeros((3, 40, 50), np.uint8)
    stack[:, 8:17, 8:17] = 200
    source = content.image.recognise(ImageSource(stack))
    assert source.scale == (2.0, 0.5, 0.5)
    labels = replay(content.annotation, source, FakeEngine())
    assert labels.dtype == np.uint16
    assert labels.sum() == 3 * 81 + 6


def test_labels_with_axes_of_length_1_are_opened_again(tmp_path):
    posts = ManualEventLoop()
    stack = np.zeros((1, 9, 40, 50), np.uint8)
    stack[0, 3:6, 8:17, 8:17] = 200
    source = ImageSource(stack)
    session = Session(posts.post, engine=FakeEngine())
    session.image.choose(source, axes=(2, 3))
    target = ArrayTarget(np.zeros(stack.shape, np.uint16))
    session.labels.choose(target)
    session.prompts.add_point(Plane((2, 3), (0, 4, 0, 0)), Point(12, 12))
    posts.settle(session)
    session.current.accept()
    posts.settle(session)
    session.record.save(tmp_path / "labels.ome.tif")
    posts.settle(session)
    assert tifffile.imread(tmp_path / "labels.ome.tif").shape == (9, 40, 50)
    restored, _ = open_session(tmp_path / "labels.session.json", source)
    np.testing.assert_array_equal(restored.labels, target.array)
    assert restored.labels.shape == stack.shape
    session.close()
