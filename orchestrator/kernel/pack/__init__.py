"""Several sessions side by side in one kernel, each in its own process and folder."""
