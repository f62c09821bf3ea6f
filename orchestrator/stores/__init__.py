"""What is stored on this computer."""
