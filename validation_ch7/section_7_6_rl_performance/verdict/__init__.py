"""From measures to a verdict, with its checks and tables."""
