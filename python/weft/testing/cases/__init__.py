"""One module per family of operations; each has a list `CASES`."""
