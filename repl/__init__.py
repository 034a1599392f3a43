"""The command `sqlengine`: a prompt, scripts, and results as text.

It talks to a Session and nothing below it.  Reading order: options.py (what was typed), __main__.py (what
to do), shell.py (statements and backslash commands), runner.py (one statement), render/ (results), app.py
(the prompt).
"""
