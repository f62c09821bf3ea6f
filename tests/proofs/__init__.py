"""Proofs of exact resume for every algorithm of stable-baselines3 and sb3-contrib, by `orchestrator prove`."""
