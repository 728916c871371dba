"""Computation: one thread, the engine, and embedding ahead of need."""
