"""Where sessions run. Siblings never import each other."""
