"""Hyper-parameters of the algorithms: read from a card here, and from a ticket in a session."""
