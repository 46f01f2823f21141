"""The Python API, re-exported by `lseg_cli`: models, results, embeddings, and the commands as functions."""
