"""Prompts per object and plane, and their encoding for the network."""
