"""Section 7.3: does the traffic solver give the exact solutions of its equations? No training."""
