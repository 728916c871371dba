"""The demo: the main job, done in a real window by real mouse and key events."""
