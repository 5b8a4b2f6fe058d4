"""What can be wrong with a recording: one fault, or one family of them, per file. Each offers ``find``."""
