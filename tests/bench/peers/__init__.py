"""Programs that run other simulators on the bench's task, each in that simulator's own environment.

They import nothing of this project: `python SCRIPT.py '{"...": ...}'` prints one line of JSON.
"""
