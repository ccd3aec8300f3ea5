"""The console: the web pages of whoever runs Tallybook. What they show and do, other rooms know and can."""
