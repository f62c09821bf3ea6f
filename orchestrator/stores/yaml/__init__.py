"""YAML 1.2 with merge keys: documents, values, and faults with their lines."""
