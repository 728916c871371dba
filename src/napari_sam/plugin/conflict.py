"""Another plugin that installs a package of the same import name."""

from importlib.metadata import PackageNotFoundError, distribution

OTHER = "napari-sam"


def conflict_sentence() -> str | None:
    """One sentence if the other plugin is installed beside this one, else None."""
    try:
        distribution(OTHER)
    except PackageNotFoundError:
        return None
    return (
        f"The plugin '{OTHER}' is installed too and overwrites files of this one (both are imported as napari_sam): "
        f"run 'pip uninstall {OTHER}', then reinstall 'napari-sam-stacks'."
    )
