"""The proof that a training cut into sessions equals an uncut one."""
