"""What a user does with a run besides running it: cancel, fetch, look, choose a checkpoint."""
