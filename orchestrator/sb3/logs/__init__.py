"""Continues the logs of a training over sessions: TensorBoard, csv and json logs, Monitor files, evaluations."""
