"""The PostgreSQL wire protocol, version 3: every client that speaks to PostgreSQL speaks to us.

frames.py cuts bytes into packets, messages.py reads those of clients, replies.py writes ours; conversation.py is one
connection as a state machine without I/O, which server.py drives over sockets.

Source of the protocol: https://www.postgresql.org/docs/15/protocol.html
"""
