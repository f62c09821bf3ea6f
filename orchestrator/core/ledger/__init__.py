"""The ledger's events, and the rows computed from them."""
