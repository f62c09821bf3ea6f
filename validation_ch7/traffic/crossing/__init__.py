"""Many crossings advanced at once, and their stops."""
