"""One training: its spec, model, history, best model and metadata."""
