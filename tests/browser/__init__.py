"""Pages in a real browser: Chromium, with axe. A run of its own: `make browser`."""
