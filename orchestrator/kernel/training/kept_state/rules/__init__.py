"""How objects that hide their state in C are saved and restored: one rule for each kind."""
