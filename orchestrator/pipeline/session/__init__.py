"""One session: inputs, submit, watch, restore."""
