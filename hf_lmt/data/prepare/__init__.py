"""A recipe to rows that a trainer reads: load, curate, limit, downsample, prompt, in this order."""
