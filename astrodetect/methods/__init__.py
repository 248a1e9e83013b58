"""The science as plain functions: arrays in, arrays out, no stage needed."""
