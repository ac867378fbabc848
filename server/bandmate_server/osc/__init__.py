"""The OSC server: sockets, messages, routes, transfers."""
