"""A run: what was asked for, how far it is, what comes next."""
