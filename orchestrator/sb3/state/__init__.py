"""The whole state of a training, captured and restored from plain arrays."""
