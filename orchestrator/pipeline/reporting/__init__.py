"""What a report on a section reads from ledger and results."""
