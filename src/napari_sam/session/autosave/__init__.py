"""An append-only log of a session on disk, from which it comes back after a crash."""
