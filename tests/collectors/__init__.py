"""Text tests: collectors that turn .slt, .case and plan files into pytest items, each with `--rewrite`."""
