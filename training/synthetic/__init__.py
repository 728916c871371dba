"""Generated images with exact masks, for what the real sets lack."""
