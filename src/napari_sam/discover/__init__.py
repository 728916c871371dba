"""Everything on a plane: proposals without prompts, and the choice among them."""
