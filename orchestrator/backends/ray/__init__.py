"""Sessions as jobs of a Ray cluster, one job each; their files travel through a storage that all nodes reach."""
