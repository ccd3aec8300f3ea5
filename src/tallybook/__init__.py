"""Tallybook carries expenses from Pleo into an accounting system, exactly once, and tells Pleo how it went."""

__version__ = "0.1.0"
