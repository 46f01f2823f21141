"""The only package that draws: progress, lines, tables. Results go to stdout, everything else to stderr."""
