"""The SQLite ledger, and the lease beside it."""
