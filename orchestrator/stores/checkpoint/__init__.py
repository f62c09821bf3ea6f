"""The models directory, its atomic swap, and SB3 zips."""
