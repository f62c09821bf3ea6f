"""The commands on one section, one checkpoint or one account; `campaign` has its own folder."""
