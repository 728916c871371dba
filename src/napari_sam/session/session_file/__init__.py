"""A session as one JSON file beside its labels."""
