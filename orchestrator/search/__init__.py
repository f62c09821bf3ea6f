"""Search strategies by Optuna: the only package that imports it."""
