"""Any stable-baselines3 training of a user's own script, saved and resumed exactly: `Run.sb3`."""
