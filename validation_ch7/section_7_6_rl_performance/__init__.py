"""Section 7.6: does a learned signal control beat the classical ones."""
