"""The figures of the section."""
