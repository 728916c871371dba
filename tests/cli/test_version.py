from napari_sam._version import __version__
from tests.cli.conftest import Run


def test_the_version_is_said(run: Run) -> None:
    ended = run("--version")
    assert ended.status == 0
    assert ended.out.strip() == f"napari-sam-stacks {__version__}"
