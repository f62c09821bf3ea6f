"""Which trial starts next, how long it will take, what the quota allows."""
