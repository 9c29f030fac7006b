"""The project's own measurements, behind `postern bench`.  Method: docs/performance.md."""
