"""The examples in the documentation do what they say."""

import doctest
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import napari_sam
from napari_sam import notebook
from napari_sam.sample import StackRecipe, generate_stack
from napari_sam.session.session import Session

ROOT = Path(__file__).resolve().parent.parent

WITHOUT = {
    "ReferencePredictor",  # it takes a published model, which is a download
    "UserError",  # in those of `open_image` and `plane_at`
    "UserNotice",
}
ENTRY_POINTS = {name: getattr(napari_sam, name) for name in napari_sam.__all__ if name not in WITHOUT}
ENTRY_POINTS["Session"] = Session


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(thing: object, name: str) -> int:
    """Run the examples in one docstring; their number."""
    found = doctest.DocTestFinder(recurse=False).find(thing, name)
    told: list[str] = []
    results = [doctest.DocTestRunner(verbose=False).run(each, out=told.append) for each in found]
    assert not any(each.failed for each in results), "".join(told)
    return sum(each.attempted for each in results)


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_an_entry_point_has_an_example_and_it_is_true(name: str) -> None:
    thing = ENTRY_POINTS[name]
    assert re.search(r"^ *Examples\n *-{8}$", thing.__doc__ or "", re.MULTILINE)
    assert run(thing, name)


@pytest.fixture
def embryo() -> np.ndarray:
    """Write embryo.tif, with a nucleus on plane 20 at (64, 71); where it is."""
    sample = generate_stack(StackRecipe(shape=(8, 80, 80)), seed=2)
    image = np.full((24, 112, 128), np.median(sample.nuclei), np.uint16)
    known = np.zeros(image.shape, bool)
    place = np.s_[16:24, 29:109, 47:127]
    image[place], known[place] = sample.nuclei, sample.nucleus_labels == 16
    tifffile.imwrite("embryo.tif", image, ome=True, metadata={"axes": "ZYX"})
    return known


def test_the_example_of_the_readme_carries_a_nucleus(embryo: np.ndarray) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    Path("recipe.toml").write_text(
        'format = 1\n[images]\nfiles = ["embryo.tif"]\n[find]\nwhat = "everything"\nplanes = [20]\n', encoding="utf-8"
    )
    names: dict[str, Any] = {}
    exec(compile(example, "README.md", "exec"), names)
    found = names["labels"] > 0
    assert (found & embryo).sum() / (found | embryo).sum() > 0.7
    assert not names["summary"].failed
    assert Path("labels/report.html").exists()


def test_the_example_of_the_notebook_functions_runs(embryo: np.ndarray) -> None:
    assert run(notebook, "notebook")
