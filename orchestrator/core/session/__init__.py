"""One session: its spec, script, names, time budget and judgement."""
