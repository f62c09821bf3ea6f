"""Exact resume for Stable-Baselines3: the whole state of a training is saved, restored and graded."""
