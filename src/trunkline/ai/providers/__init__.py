"""One file per vendor endpoint, each with a local stand-in where it has a far end."""
