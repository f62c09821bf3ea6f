"""Who asks the signal for which phase: the learned policy and everything it is compared with."""
