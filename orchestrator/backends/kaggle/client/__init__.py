"""Every call to Kaggle: connection, sign-in, retries, and the service's values."""
