"""Data in: labels as people type them, pictures as they come, data sets in folders."""
