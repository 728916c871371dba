"""What was done to one image, done to many: by a recipe, in one process or on a cluster."""
