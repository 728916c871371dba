"""What the README and the guide promise is what there is."""

import re
from pathlib import Path
from typing import Any

import pytest

from napari_sam.plugin.actions import CONTROLS

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", ["README.md", "docs/user-guide.md"])
def test_every_key_is_listed(page: str) -> None:
    table = (ROOT / page).read_text(encoding="utf-8").split("| Gesture or key |")[1].split("\n\n")[0]
    keys = {key.strip() for row in table.splitlines()[2:] for key in re.split("[,;]", row.split("|")[1])}
    assert {control.shown for control in CONTROLS.values()} <= keys


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


def test_the_contracts_in_the_guide_are_made_as_it_says() -> None:
    guide = (ROOT / "docs" / "developer-guide.md").read_text(encoding="utf-8")
    (block,) = (block for block in re.findall(r"```python\n(.*?)```", guide, re.DOTALL) if "Contract" in block)
    made: dict[str, Any] = {}
    exec(block, made)
    made["TestMyTarget"]().test_it_has_a_name_and_the_array_that_it_was_given()
    made["TestMyArray"]().test_shape_and_type_are_those_of_the_pixels()
    made["TestMyEngine"]().test_one_candidate_or_several_as_asked()


def test_the_python_example_uses_functions_that_exist() -> None:
    import napari_sam

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    used = set(re.findall(r"\bnapari_sam\.(\w+)\(", text))
    assert used
    assert used <= set(napari_sam.__all__)
