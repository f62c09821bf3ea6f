"""Events and the rows that follow from them."""
