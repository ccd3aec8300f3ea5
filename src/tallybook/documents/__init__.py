"""Receipts on their way: fetched, and made into files that the accounting system takes.

A file that needs no change keeps every byte.
"""
