"""The object in work: prompts, requests and answers, masks."""
