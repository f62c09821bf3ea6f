"""Figures, an animation and a LaTeX table, all from the session's own comparison."""
