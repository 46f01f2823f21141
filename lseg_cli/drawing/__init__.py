"""Masks and pictures to look at: colours, overlays, contact sheets, PNG files."""
