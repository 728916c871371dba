"""Training of the bundled network: data, generated images, prompts, losses and the loop that joins them."""
