"""The crossing as an RL environment."""
