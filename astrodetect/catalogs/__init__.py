"""Catalogs: the journal of a running job, the HDF5 file, and what reads, checks and converts them.

The only package that knows HDF5. `journal` is written while a job runs, `assembly` makes the file of
it, `reader` reads either, `checks` verifies, `exports` converts, `merging` joins, `overview` prints.
"""
