"""Campaign files on disk."""
