"""Exact solutions of the Aw-Rascle-Zhang equations, written without the solver's code."""
