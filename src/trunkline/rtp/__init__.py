"""The RTP protocol itself."""
