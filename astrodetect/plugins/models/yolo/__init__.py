"""A detector that decides about every place of an image at once, after D. Cornu's YOLO-CIANNA.

Made for many small, crowded objects in images of any size, number type and number of channels:

* `settings` says what a model is and how it learns, `networks` holds the backbones, `model` joins them;
* `encoding` is the meaning of the output: boxes, probability, objectness, classes, parameters;
* `association` decides in training which detection unit answers for which object, and `loss` what it
  is told.
"""
