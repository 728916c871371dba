"""One annotation session, free of Qt: objects, scheduler."""
