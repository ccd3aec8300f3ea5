"""Seeing it: the log, the metrics at /metrics, and traces. Ids only, never content of expenses or people's names."""
