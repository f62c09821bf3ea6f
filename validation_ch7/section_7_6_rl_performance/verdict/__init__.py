"""The verdict on a comparison, its sanity checks and its tables."""
