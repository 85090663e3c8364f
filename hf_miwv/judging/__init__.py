"""Two models' answers to the same prompts: answered, judged in both orders, counted."""
