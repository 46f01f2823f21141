"""The options of `lseg report`. Imports nothing: the command line reads its defaults first."""

REPORT = "report.html"  # in the output folder
PICTURES = 60  # of the contact sheet
