"""Bookkeeping: pure decisions that turn one item from Pleo into one balanced entry; no clock, no I/O.

`plan` alone knows the order of the decisions. The decisions (method, accounts, amounts, attachments, ...) do not
know each other; what they share stands in `rules`, `books`, `sides` and `wording`.
"""
