"""What a decision rests on: occlusion for any detector or classifier, Grad-CAM for networks."""

from astrodetect.explanation.explain import Explanation, explain
from astrodetect.explanation.occlusion import occlusion_map, occlusion_of_image

__all__ = ["Explanation", "explain", "occlusion_map", "occlusion_of_image"]
