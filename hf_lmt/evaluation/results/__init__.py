"""Files and tables of an evaluation."""
