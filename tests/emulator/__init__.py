"""A loopback Kaggle: speaks the wire of the official client, runs kernels as real processes, misbehaves on request."""
