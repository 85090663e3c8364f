"""Render rows as prompts, and turn them into token ids."""
