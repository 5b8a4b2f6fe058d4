"""What a call is: its state, its turns, what was played, how long it took."""
