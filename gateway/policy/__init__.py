"""Pure decisions: functions of their arguments; time and randomness are passed in."""
