"""Full-screen views: results that go on, long results, running queries and their pipelines.

Reading order: changes.py (batches to operations), current_rows.py and recent_changes.py (what is kept),
controls.py (what keys do), window.py (which rows and texts are on the screen), draw.py (texts to styled
lines), live_screen.py (all of it as one screen), fullscreen.py (the only file here that knows a terminal).
"""
