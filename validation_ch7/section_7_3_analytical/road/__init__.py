"""One straight road of the crossing, on which the solver meets the exact solutions."""
