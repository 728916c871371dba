"""napari's layers as images, prompts, masks and labels, and back."""
