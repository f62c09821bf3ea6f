"""Search strategies, by Optuna: the only wing that knows it, and nothing else needs it."""
