"""What is kept on this disk."""
