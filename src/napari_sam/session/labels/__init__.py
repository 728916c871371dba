"""Targets, the table of accepted objects, and writing them."""
