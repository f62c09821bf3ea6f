"""What crosses the wire: the Jinja script and the runtime that it boots inside the kernel."""
