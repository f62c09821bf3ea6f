"""The SQLite ledger, with leases and refusals in tables beside it."""
