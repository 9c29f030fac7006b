"""The switchboard: settings and the files an operator copies."""
