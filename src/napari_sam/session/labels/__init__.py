"""Targets, the table of accepted objects, and the writing of these."""
