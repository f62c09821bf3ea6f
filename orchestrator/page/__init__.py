"""Shows the page of a chained training: one HTML file, or served live. Needs the extra `report`."""
