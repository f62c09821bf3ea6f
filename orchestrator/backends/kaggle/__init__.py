"""Sessions on Kaggle, through the official client library."""
