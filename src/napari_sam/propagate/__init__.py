"""Along an axis, from key planes, with a confidence for every plane."""
