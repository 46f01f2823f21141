"""Where export and engines meet: exported files are checked against their source, engines are built."""
