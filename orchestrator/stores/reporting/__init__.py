"""Report folders and table files."""
