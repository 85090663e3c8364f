"""Steps of a long job on datatrove's executors: many processes, Slurm, Ray."""
