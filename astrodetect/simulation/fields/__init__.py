"""Still fields of many sources with exact truth: radio continuum, crowded stars, trails."""
