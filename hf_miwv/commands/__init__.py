"""The command line of `hf-miwv`: one file for each command."""
