"""What `lseg report` is asked to do. Imports nothing: the command line reads its defaults first."""

REPORT = "report.html"  # in the output folder
PICTURES = 60  # of the contact sheet
