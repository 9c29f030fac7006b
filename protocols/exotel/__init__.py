"""The Exotel SMS API v1: contract (pure shapes) and server."""
