"""Sessions as subprocesses in a sandbox shaped like Kaggle."""
