"""The operator's room: metrics, health, live control."""
