"""The side of the labels (section 3.1 of the paper): text encoders, their files, and embeddings kept on disk."""
