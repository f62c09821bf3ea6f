"""One session: its spec, script, name, time budget, outputs and judgement."""
