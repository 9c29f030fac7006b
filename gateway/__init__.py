"""The heart: messages, money, time and fate.  Knows no wire."""
