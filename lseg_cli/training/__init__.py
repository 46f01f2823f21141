"""Training: label sampling, loss, optimiser, the loop and its state on disk."""
