"""One outside thing per file, behind the ports."""
