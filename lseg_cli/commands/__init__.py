"""One file per command: options -> configuration -> one library call -> show."""
