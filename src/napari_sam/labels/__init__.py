"""Masks to reversible edits of a label array: collision policy, ids."""
