"""The project's own measurements: `postern bench` and `make bench`.  Method: docs/performance.md."""
