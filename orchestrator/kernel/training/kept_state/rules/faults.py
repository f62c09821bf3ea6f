"""Why an object cannot be saved by its rule."""

from __future__ import annotations


class NotSaved(Exception):
    """Raised by `save` of a rule: the object cannot be saved now. The message is the reason, e.g. for a card."""
