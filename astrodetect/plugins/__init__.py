"""The built-in plugins: one file per plugin, one folder per kind."""
