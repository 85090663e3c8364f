"""Does choosing help? Tune on each method's choice and on random rows, and compare on rows held out before."""
