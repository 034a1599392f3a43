"""Servers: how other programs reach a database over the network."""
