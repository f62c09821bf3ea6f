"""The users' own commands, kept as launchers of a few lines. They are never part of a bundle."""
