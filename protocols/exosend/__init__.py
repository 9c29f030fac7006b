"""The ExoSend API v1: contract (pure shapes) and server."""
