"""How the shipped files of data were made."""
