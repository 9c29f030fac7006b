"""Pure values and state machines of the heart; the standard library only."""
