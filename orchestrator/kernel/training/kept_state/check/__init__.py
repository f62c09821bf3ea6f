"""Checks at the start of a training that its environments can be restored: two fresh copies take the same steps."""
