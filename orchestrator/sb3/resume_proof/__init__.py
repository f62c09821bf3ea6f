"""The proof that a cut training equals an uncut one."""
