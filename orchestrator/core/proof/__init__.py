"""The proof that a script or a section resumes exactly: cuts, comparison, usual causes, and the record."""
