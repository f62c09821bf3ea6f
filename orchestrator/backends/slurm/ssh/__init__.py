"""Slurm's commands and the folders of the sessions on a login node, by the user's own OpenSSH."""
