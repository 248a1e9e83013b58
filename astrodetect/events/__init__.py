"""Detections of several cameras that belong to one meteor, and the showers that meteors belong to.

`directions` holds the spherical geometry, `sightings` what one camera saw, `pairs` the test whether
two cameras saw one meteor, `grouping` makes events of pairs, `showers` names the shower.
"""
