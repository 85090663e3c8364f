"""Run a command from its first claim to its finished folder, through kills."""
