"""The other side of a model that computes on another machine: `napari-sam serve`."""
