"""The science of chapter 7: what runs inside a session. It never imports the orchestrator."""
