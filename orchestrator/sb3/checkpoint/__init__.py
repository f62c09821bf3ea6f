"""Save, resume and warm start."""
