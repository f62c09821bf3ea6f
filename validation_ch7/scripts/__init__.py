"""The users' own commands, as short launchers. They are never part of a bundle."""
