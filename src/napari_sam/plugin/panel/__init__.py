"""The rows of the dock widget *Segment*, from top to bottom."""
