"""Train and judge models that classify whole images: data sets, trainer, metrics, study."""
