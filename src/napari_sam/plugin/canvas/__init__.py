"""Gestures, the keyboard cursor, and drawing."""
