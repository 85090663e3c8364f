"""Score rows in many tasks: datatrove steps that call what the command line calls."""
