"""Hyper-parameter files of RL Zoo, and RL Zoo's forms in the cards of sections."""
