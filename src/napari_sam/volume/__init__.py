"""Objects in stacks: carried along an axis, with a confidence per plane."""
