"""One partition's log: frames, segments, indexes, recovery. FORMAT.md is the contract of the files."""
