"""The minds behind a call: what they hear, what they say, and the vendors that provide them."""
