"""From sessions and their reports to the values of the page. No I/O."""
