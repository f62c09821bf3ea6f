"""A campaign for days on a virtual clock under random faults: nothing is lost, and nothing grows."""
