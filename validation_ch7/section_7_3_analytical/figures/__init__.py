"""The figures and the LaTeX table of the section."""
