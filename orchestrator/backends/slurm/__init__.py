"""Sessions as batch jobs of a Slurm cluster, one job each, in folders on its shared file system."""
