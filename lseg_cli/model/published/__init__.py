"""The checkpoints that the authors of LSeg published: where they are, and how they become models of this tool."""
