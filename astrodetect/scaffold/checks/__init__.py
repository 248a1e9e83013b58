"""Tests of the stages in `astrodetect.scaffold.kinds`: they go into a new package with the stage."""
