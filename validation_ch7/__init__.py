"""The sections of chapter 7, which run inside a session."""
