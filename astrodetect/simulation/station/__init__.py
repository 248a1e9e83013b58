"""A station as it is: its lens and sensor, the sky above it, and all that moves or flashes there.

`draw_station` draws a station from a seed, `simulate_station_recording` a recording of it.
"""
