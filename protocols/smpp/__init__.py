"""SMPP v3.4: codec, session, link; the server (north) and the provider (south)."""
