"""Samples in, samples out: G.711, resampling, levels, framing. Knows nothing of calls."""
