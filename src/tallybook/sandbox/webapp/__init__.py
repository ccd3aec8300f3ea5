"""The sandbox's export page: what a bookkeeper sees of Pleo, and clicks, in a browser.

`lanes` and `lane_pages` are the three lanes and the Export button, `job_pages` the jobs, `expense_pages` one expense
and its mending; `documents_shown` reads export items of any shape for the eye, `words` says things in a bookkeeper's
words, `answers` turns it all into HTML.
"""
