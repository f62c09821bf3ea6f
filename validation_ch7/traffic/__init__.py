"""Traffic at one signalised crossing: solver, network, signal, demand, environment."""
