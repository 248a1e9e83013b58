"""Interfaces and data that every plugin builds on; knows no concrete plugin."""
