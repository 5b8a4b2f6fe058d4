"""Trunkline answers phone calls and connects them, in real time, to voice AI."""
