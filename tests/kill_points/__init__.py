"""Every point at which a program can be killed, enumerated; `python -m tests.kill_points` prints the table.

`observer` notes each side effect of a scenario and keeps the disk as it is before and after it: that is what a kill at
this point leaves. `durability` derives what a power cut leaves. `proof` continues from each of these states with the
ordinary command. `audit` counts the side effects a second time, in another way.
"""
