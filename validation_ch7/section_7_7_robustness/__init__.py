"""Section 7.7: the trained policies of section 7.6 under conditions in which they were not trained."""
