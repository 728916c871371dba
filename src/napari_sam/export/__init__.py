"""The saving of labels so that other programs read them rightly."""
