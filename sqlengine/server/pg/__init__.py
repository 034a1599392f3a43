"""The PostgreSQL wire protocol, version 3: every client that speaks to PostgreSQL speaks to us."""
