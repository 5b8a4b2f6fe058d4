"""The process that answers: HTTP, media sockets, who is let in."""
