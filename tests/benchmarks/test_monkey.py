"""The monkey at the window: a short run finds nothing; what is made to go wrong is found, replayed and cut short."""

import json
import os
import re
import subprocess
import sys
import traceback
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils._proxies import ReadOnlyWrapper
from napari.utils._test_utils import read_only_mouse_event
from napari.utils.interactions import mouse_move_callbacks, mouse_press_callbacks

from benchmarks.monkey.images import make_image
from benchmarks.monkey.rules import MEANT, Fault
from benchmarks.monkey.script import Start, Step, open_script, read_script, shortest, write_script, write_step

ROOT = Path(__file__).parents[2]
DEEDS, SECONDS = 60, 25
PAUSE = Step("Pause", {"ms": 1})


def monkey(*arguments: object) -> tuple[int, str]:
    found = subprocess.run(
        [sys.executable, "-m", "benchmarks.monkey", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not found.stderr or found.returncode in (0, 1), found.stderr
    return found.returncode, found.stdout + found.stderr


def test_a_hurried_person_finds_no_fault(tmp_path) -> None:
    code, said = monkey(
        *("--seed", 11, "--image", "3d", "--engine", "fake", "--pace", "hurried", "--stall", 30, "--no-shrink"),
        *("--deeds", DEEDS, "--minutes", SECONDS / 60, "--no-kill", "--out", tmp_path),
    )
    assert code == 0, said
    assert len(read_script(tmp_path / "11-3d" / "script.jsonl")[1]) >= 10


def result_of(tmp_path: Path, stall_s: float, *steps: Step) -> Fault:
    write_script(tmp_path / "script.jsonl", Start("2d", 1, "fake", "tests.benchmarks.sabotage"), [*steps, PAUSE])
    monkey("--replay", tmp_path / "script.jsonl", "--no-shrink", "--stall", stall_s, "--out", tmp_path)
    return Fault(**json.loads((tmp_path / "replay" / "result.json").read_text())["fault"])


@pytest.mark.parametrize(
    ("steps", "rule"),
    [
        ([Step("FailInThread")], "nothing_is_shown_or_raised"),
        ([Step("AddMine"), Step("Pause", {"ms": 300}), Step("Meddle", {}, 100)], "looking_changes_nothing"),
        ([Step("Sleep")], "no_stall"),
        ([Step("DropAClick")], "prompts_agree"),
    ],
)
def test_every_rule_can_fail(tmp_path, steps, rule) -> None:
    # The limit grows with the load of the machine: one that three seconds exceed anywhere, and one that nothing does.
    assert result_of(tmp_path, 0.05 if rule == "no_stall" else 60, *steps).rule == rule


def test_what_napari_warns_of_by_itself_when_axes_are_rolled_is_no_fault() -> None:
    made = make_image("affine", 1)
    viewer = ViewerModel()
    viewer.add_image(np.zeros(made.data.shape), **made.attributes)
    with pytest.warns(UserWarning, match="slicing") as warned:
        viewer.dims.roll()
    assert all(any(re.search(pattern, str(each.message)) for pattern in MEANT) for each in warned)


def test_what_napari_raises_by_itself_where_a_shape_is_drawn_between_planes_is_no_fault() -> None:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((10, 40, 40)))
    shapes = viewer.add_shapes(ndim=3, translate=(7.5, 0, 0))
    viewer.dims.set_point(0, 12)
    shapes.mode = "add_line"

    def event(kind: str, place: float) -> ReadOnlyWrapper:
        return read_only_mouse_event(
            type=kind,
            is_dragging=kind == "mouse_move",
            modifiers=[],
            position=(12, place, place),
            pos=np.array((place, place)),
            view_direction=None,
            up_direction=None,
            dims_displayed=[1, 2],
        )

    mouse_press_callbacks(shapes, event("mouse_press", 15))
    with pytest.raises(TypeError) as raised:
        mouse_move_callbacks(shapes, event("mouse_move", 20))
    told = "".join(traceback.format_exception(raised.value))
    assert any(re.search(pattern, told) for pattern in MEANT)


def test_a_fault_is_replayed_and_its_script_cut_short(tmp_path) -> None:
    steps = [PAUSE, Step("Prepare"), PAUSE, Step("Hover", {"path": [[0.5, 0.5]]}), Step("Explode"), PAUSE]
    write_script(tmp_path / "long.jsonl", Start("2d", 1, "fake", "tests.benchmarks.sabotage"), steps)
    code, said = monkey("--replay", tmp_path / "long.jsonl", "--stall", 30, "--out", tmp_path)
    assert code == 1
    assert "the monkey was here" in said
    assert [step.deed for step in read_script(tmp_path / "short.jsonl")[1]] == ["Prepare", "Explode"]


def test_the_shortest_script_is_found_with_few_tries() -> None:
    steps = [Step("Pause", {"ms": at}) for at in range(64)]
    tries = 0

    def fails(left: list[Step]) -> bool:
        nonlocal tries
        tries += 1
        kept = [step.args["ms"] for step in left]
        return 7 in kept and 41 in kept

    assert [step.args["ms"] for step in shortest(steps, fails, lambda: True)] == [7, 41]
    assert tries < 64


def test_a_script_that_was_cut_off_by_a_crash_is_read_up_to_there(tmp_path) -> None:
    path = tmp_path / "script.jsonl"
    with open_script(path, Start("2d", 3, "nano")) as file:
        write_step(file, Step("Click", {"at": [0.1, 0.2]}, 30))
        file.write('{"deed": "Ac')
    start, steps = read_script(path)
    assert start == Start("2d", 3, "nano")
    assert steps == [Step("Click", {"at": [0.1, 0.2]}, 30)]


def test_a_fault_is_recognised_whatever_its_numbers() -> None:
    first = Fault("a", "error: shapes (2,2) (3,2)\nTraceback\n  x\nValueError: shapes (2,2) (3,2)\n")
    second = Fault("a", "error: shapes (1,2) (9,2)\nTraceback\n  y\nValueError: shapes (1,2) (9,2)\n")
    assert first.kind == second.kind
    assert first.kind != Fault("a", "something else").kind
