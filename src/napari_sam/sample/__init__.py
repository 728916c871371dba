"""A made-up z-stack of nuclei and membranes with exact labels, for the demo, the samples and the tests."""
