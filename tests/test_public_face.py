"""What the package offers by name: held here, so that it changes only on purpose."""

import subprocess
import sys

import pytest

import napari_sam

PUBLIC = [
    "Box",
    "Collision",
    "ImageSource",
    "Mask",
    "Plane",
    "Point",
    "Prompts",
    "ReferencePredictor",
    "Scribble",
    "UserError",
    "UserNotice",
    "export_labels",
    "fill_holes",
    "find_alike",
    "grow_objects",
    "keep_largest_part",
    "load_model",
    "measure_objects",
    "merge_objects",
    "open_image",
    "open_stack",
    "plane_at",
    "propagate_object",
    "propagate_objects",
    "replay_session",
    "run_batch",
    "save_labels",
    "segment_everything",
    "segment_object",
    "segment_volumes",
    "smooth_objects",
    "split_object",
    "to_labels",
]


def test_the_public_names_are_these() -> None:
    assert napari_sam.__all__ == PUBLIC
    assert set(PUBLIC) <= set(dir(napari_sam))


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_documented(name: str) -> None:
    assert getattr(napari_sam, name).__doc__


def test_what_is_not_there_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        napari_sam.nonsense  # noqa: B018


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, napari_sam; print(sorted({'torch', 'napari', 'numpy', 'qtpy'} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


@pytest.mark.parametrize(("former", "now"), [("segment", "segment_object"), ("open_stack", "open_stack")])
def test_former_names_still_work_and_say_where_they_are_now(former: str, now: str) -> None:
    from napari_sam import api

    with pytest.warns(DeprecationWarning, match=f"napari_sam.{now} now"):
        assert getattr(api, former) is getattr(napari_sam, now)


def test_the_window_does_not_wait_for_torch() -> None:
    code = "import sys, napari_sam.plugin.segment_widget; print('torch' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert said.stdout.split() == ["False"]
