"""Aw-Rascle-Zhang traffic at one signalised crossing: solver, network, signal, demand, environment."""
