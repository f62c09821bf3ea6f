"""Models from elsewhere: read, checked, and put in place as the first checkpoint of a lineage."""
