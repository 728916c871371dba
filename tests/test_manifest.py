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
    assert named <= known
    assert all(command.startswith("napari-sam-stacks.") for command in known)


def test_every_sample_is_there(manifest: PluginManifest) -> None:
    assert {sample.key for sample in manifest.contributions.sample_data or []} == SAMPLES
