"""Reads what a page needs: targets, trainings, outputs, commands. Callers use `wiring/pages.py`."""
