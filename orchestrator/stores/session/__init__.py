"""What a session sends and returns: code bundle, results, event log."""
