"""What the figures and LaTeX tables of all sections share."""
