"""Shared HTTP plumbing and the generic templated provider."""
