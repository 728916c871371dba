"""Weights of models: the bundled model's file, safe loading, device and precision."""
