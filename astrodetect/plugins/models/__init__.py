"""Learned models: look coarsely, choose a few patches, decide from these.

`astrodetect.plugins.models.config.ModelConfig` says what a model is, and
`astrodetect.plugins.models.build.build_model` makes it. Only the modules of this package and the
training import torch; the configuration does not.
"""
