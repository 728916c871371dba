"""Saving labels so that other programs read them rightly."""
