"""Policies and classical controllers under every condition."""
