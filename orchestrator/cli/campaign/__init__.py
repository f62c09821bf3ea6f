"""The commands of `campaign`."""
