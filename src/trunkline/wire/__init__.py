"""Phone platforms as codecs: one file each, both ends of the wire in it."""
