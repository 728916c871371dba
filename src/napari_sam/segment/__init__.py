"""One plane: embedding and prompts to masks, candidates, refinement."""
