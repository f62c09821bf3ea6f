"""Learning from a look ahead: at the states that the policy visits, regress what each choice saves.

With these two parts, DQN is approximate policy iteration by rollout (Bertsekas, Rollout, Policy
Iteration, and Distributed Reinforcement Learning, 2020), on the learner's own states (AggreVaTe: Ross & Bagnell, 2014).
"""
