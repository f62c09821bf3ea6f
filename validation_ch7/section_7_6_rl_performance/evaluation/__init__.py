"""The task, and how controllers are evaluated on its scenarios."""
