"""The ME-SMS API v2: what its customers send and read."""
