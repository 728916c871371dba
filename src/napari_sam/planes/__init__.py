"""From an nD array to planes, channels, contrast, levels and windows; coordinates there and back."""
