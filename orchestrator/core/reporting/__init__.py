"""Tables, learning curves and forecasts, as plain values and text."""
