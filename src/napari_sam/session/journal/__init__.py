"""What was done, in one order, to be undone and redone: bounded by bytes, the oldest on disk."""
