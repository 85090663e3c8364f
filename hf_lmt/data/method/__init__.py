"""The paper's method on rows: Strategic Downsampling and Parallel Multilingual Prompting."""
