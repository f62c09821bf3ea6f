"""A hyper-parameter search, replayed from the ledger."""
