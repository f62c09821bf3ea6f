"""What a script keeps: encoded, compared, written as checkpoints and read back."""
