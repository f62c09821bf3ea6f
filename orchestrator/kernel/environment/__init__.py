"""The machine that a session runs on: preflight, device, requirements."""
