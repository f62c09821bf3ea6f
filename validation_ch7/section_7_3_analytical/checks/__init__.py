"""The checks: each runs the solver and returns its measured numbers."""
