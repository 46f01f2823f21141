"""What this machine and this installation can run."""
