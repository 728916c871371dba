"""One annotation session, free of Qt: the object being worked on, its masks, accepting and undoing, the scheduler."""
