"""Vectorized environments and wrappers whose state can be saved."""
