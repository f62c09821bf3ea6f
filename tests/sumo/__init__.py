"""Replication of section 7.6 in SUMO: the same crossing, demand and controllers in another simulator.

`python -m tests.sumo` runs in the project's environment, SUMO beside it in an environment of its own (`worker.py`).
"""
