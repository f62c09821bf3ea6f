"""Words in, exit code out. One small file per command."""
