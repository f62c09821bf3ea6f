"""Files of a session: workspace, atomic writes, digests, inputs."""
