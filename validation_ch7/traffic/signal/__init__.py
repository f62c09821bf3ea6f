"""Signal phases and their timing."""
