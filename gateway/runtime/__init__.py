"""Process plumbing without business: clock, supervisor, logging, metrics."""
