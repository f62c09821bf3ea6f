"""The code of a session inside the kernel. Standard library only, so that it starts on any image in milliseconds."""
