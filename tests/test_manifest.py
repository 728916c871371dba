"""The napari manifest: valid, complete, and every command behind it can be called."""

from pathlib import Path

import pytest
from npe2 import PluginManifest
from npe2.manifest.utils import import_python_name

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = {"tissue", "crowded", "cell", "immunohistochemistry", "cells3d"}


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_file(ROOT / "src" / "napari_sam" / "napari.yaml")


def test_it_is_named_for_the_distribution(manifest: PluginManifest) -> None:
    assert manifest.name == "napari-sam-stacks"


def test_the_link_at_the_top_leads_to_it() -> None:
    link = ROOT / "napari.yaml"
    assert link.is_symlink()
    assert link.resolve() == ROOT / "src" / "napari_sam" / "napari.yaml"


def test_every_command_leads_to_something_callable(manifest: PluginManifest) -> None:
    commands = manifest.contributions.commands or []
    assert commands
    for command in commands:
        assert callable(import_python_name(command.python_name)), command.python_name


def test_every_contribution_names_a_command(manifest: PluginManifest) -> None:
    known = {command.id for command in manifest.contributions.commands or []}
    named = {item.command for item in (*(manifest.contributions.widgets or []), *manifest.contributions.sample_data)}
    named |= {writer.command for writer in manifest.contributions.writers or []}
    named |= {item.command for menu in manifest.contributions.menus.values() for item in menu}
    assert named <= known
    assert all(command.startswith("napari-sam-stacks.") for command in known)


def test_every_sample_is_there(manifest: PluginManifest) -> None:
    assert {sample.key for sample in manifest.contributions.sample_data or []} == SAMPLES


def test_titles_of_commands_can_be_told_apart(manifest: PluginManifest) -> None:
    titles = [command.title for command in manifest.contributions.commands or []]
    assert len(set(titles)) == len(titles)


def test_the_panel_is_in_both_menus(manifest: PluginManifest) -> None:
    for menu in ("napari/layers/segment", "napari/layers/annotate"):
        assert manifest.contributions.menus[menu][0].command == "napari-sam-stacks.segment"


def test_the_writer_takes_no_plain_tiff(manifest: PluginManifest) -> None:
    (writer,) = manifest.contributions.writers or []
    assert writer.filename_extensions == [".ome.tif", ".ome.tiff"]
    assert writer.layer_types == ["labels"]


def test_every_palette_command_is_in_the_guide(manifest: PluginManifest) -> None:
    guide = (ROOT / "docs" / "user-guide.md").read_text(encoding="utf-8")
    (row,) = [line for line in guide.splitlines() if line.startswith("| command palette")]
    for command in manifest.contributions.commands or []:
        if command.python_name.startswith("napari_sam.plugin.commands:"):
            assert command.title.removeprefix("Segment: ").rstrip("…") in row


def test_every_preference_is_in_the_guide(manifest: PluginManifest) -> None:
    guide = (ROOT / "docs" / "user-guide.md").read_text(encoding="utf-8")
    for group in manifest.contributions.configurations.values():
        for key, each in group.properties.items():
            assert f"| *{each.title}* |" in guide
            assert f'"{key}"' in guide
