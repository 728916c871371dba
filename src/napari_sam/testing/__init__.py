"""Contracts and strategies that tests, and authors of other engines and targets, run against an implementation."""
