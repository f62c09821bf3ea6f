"""Section cards on disk."""
