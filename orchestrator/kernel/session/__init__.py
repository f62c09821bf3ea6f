"""One session from the inside: boot, deadline, stop flag, manifest."""
