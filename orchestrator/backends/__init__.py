"""Where sessions run. Backends never import each other."""
