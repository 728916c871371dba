"""Which weights: the bundled model's file, safe loading, device and precision."""
