"""Adapters: one folder per accounting system, all alike, each found through its entry point; none knows Pleo."""
