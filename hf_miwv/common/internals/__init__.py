"""Names that other libraries do not promise to keep: one file for each library, and nowhere else."""
