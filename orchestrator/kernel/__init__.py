"""The kernel's side of a session. Standard library only, so that it starts on any image in milliseconds."""
