"""A section's card: profiles, hyper-parameters, lineage."""
