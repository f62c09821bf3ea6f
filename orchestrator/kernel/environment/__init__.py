"""The machine a session runs on: preflight, device, requirements."""
