"""The demo, with its simulated hand."""
