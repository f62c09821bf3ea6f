"""The families of conditions: demand, drivers, detectors, a blocked lane."""
