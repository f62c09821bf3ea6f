"""One session inside the kernel: boot, deadline, stop flag, manifest."""
