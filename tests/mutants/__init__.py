"""Mutation testing of the rooms on which safety stands: a test must fail for every small change of their code."""
