"""The output folder as a format: its records, its journal, its lock, and the readers of all of them."""
