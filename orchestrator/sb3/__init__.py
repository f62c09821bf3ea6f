"""Training that continues exactly: what a policy is made of, saved, restored and graded."""
