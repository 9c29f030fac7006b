"""The commands of `postern`, one module per noun."""
