"""The Aw-Rascle-Zhang model and the demand."""
