"""What the page of a chained training shows: plain values, no I/O. `orchestrator/page` renders and serves them."""
