"""Read data sets from files and from the Hub."""
