"""What a proof reads and writes: final states of trainings, the code of a script, records and badges."""
