"""One small stage of every kind: what ``astrodetect plugins new`` starts a package from."""
