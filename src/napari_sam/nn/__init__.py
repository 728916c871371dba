"""The SAM network: image encoders, prompt encoder, two-way transformer, mask decoder. Torch only."""
