"""One file per command: `run`, `status`, `attach` and the others."""
