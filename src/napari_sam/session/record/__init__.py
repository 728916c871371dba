"""Session files, autosave, recovery and replay."""
