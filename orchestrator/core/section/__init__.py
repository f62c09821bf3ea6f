"""A section's card: its profiles, environment, hyper-parameters and lineage."""
