"""A batch of crossings, and the count of their stops."""
