"""Read rows of any known shape: one by one, as a data set or as a stream."""
