"""Every call to Kaggle: connection, sign-in, retries, words of the service."""
