"""Files as sources and sinks: NDJSON, CSV, Parquet and Arrow IPC.

The only place outside storage and the command that opens files.
"""
