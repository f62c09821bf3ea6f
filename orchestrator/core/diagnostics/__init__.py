"""Results of `doctor` and of a resume proof, and failures of storage."""
