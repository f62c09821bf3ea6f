"""One Kaggle session: push request, checkpoint dataset, outputs."""
