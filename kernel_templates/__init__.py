"""Templates: the Jinja script that carries a session's code and starts it in the kernel."""
