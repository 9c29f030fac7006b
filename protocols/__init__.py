"""The doors: every wire, north and south.  One wire, one folder."""
