"""The folder of a session on the cluster, and the script of its job."""
