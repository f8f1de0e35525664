"""The data: a file for each set."""
