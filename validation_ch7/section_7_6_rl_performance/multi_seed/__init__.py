"""Claims about algorithms: the finished trainings of several seeds, evaluated together."""
