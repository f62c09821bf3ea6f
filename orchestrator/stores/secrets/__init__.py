"""Secrets in use on this computer, and the rules by which others are recognised."""
