"""Credentials that renew themselves: logging in at Pleo, keeping both tokens sealed, renewing them one at a time."""
