"""`python -m lseg_cli`, and `accelerate launch -m lseg_cli train ...`."""

from lseg_cli.main import run

if __name__ == "__main__":
    run()
