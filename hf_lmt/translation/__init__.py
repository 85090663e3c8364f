"""From texts to translations: prompts, batches, the search for the best text, and what is kept."""
