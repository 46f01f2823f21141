"""LSeg: language-driven semantic segmentation (Li et al., ICLR 2022) as a command-line tool."""

__version__ = "0.2.0"
