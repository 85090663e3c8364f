"""Whether a model got worse in some directions, by how much, and what kind of failure it is."""
