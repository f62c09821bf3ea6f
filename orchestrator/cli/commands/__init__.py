"""The commands on one section or one account; `campaign`, `checkpoint` and `proof` have their own folders."""
