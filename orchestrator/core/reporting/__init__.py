"""Result tables, learning curves and forecasts, as values and text."""
