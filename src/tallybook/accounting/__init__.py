"""The port: what an accounting system is to Tallybook, in the accountant's words and without a word of Pleo."""
