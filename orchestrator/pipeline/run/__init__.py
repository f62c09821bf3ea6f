"""One run from start to target: where to start, which session is next."""
