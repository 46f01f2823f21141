"""Engines: each maps a picture and embedded labels to logits, in its own runtime. They know no files of pictures."""
