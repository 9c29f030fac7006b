"""The porch: command line, composition root, demo, simulators.  Nobody imports it."""

__version__ = "0.1.0"
