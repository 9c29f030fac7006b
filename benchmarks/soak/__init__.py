"""`postern soak`: mixed traffic for a given time, with kills and faults.  See docs/soak.md."""
