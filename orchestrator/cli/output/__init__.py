"""How the command line writes: console, narrators, live table, encoding."""
