"""Many trainings, one claim: the finished sessions of several seeds and algorithms taken together."""
