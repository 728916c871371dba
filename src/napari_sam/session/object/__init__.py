"""The object in work: prompts, questions and answers, masks."""
