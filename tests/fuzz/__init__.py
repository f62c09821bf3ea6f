"""Feeds hostile bytes to every reader of something from outside: each input is read or refused, nothing else."""
