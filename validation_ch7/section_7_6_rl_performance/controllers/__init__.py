"""Signal controllers: the learned policy and the controllers that it is compared with."""
