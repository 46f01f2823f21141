"""Figures: confusion matrices and the evaluation of a model on a data set."""
