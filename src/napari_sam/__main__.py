"""``python -m napari_sam``: the command line, where its script is not on the path."""

from napari_sam.cli.app import main

if __name__ == "__main__":
    main()
