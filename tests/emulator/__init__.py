"""A Kaggle emulator on the loopback: serves the official client, runs kernels as real processes, injects faults."""
