"""What other systems send us: each sender's signature scheme, and what its events mean.

Pure: no socket is opened here. `starters/web` receives, `workflows/events.py` delivers.
"""
