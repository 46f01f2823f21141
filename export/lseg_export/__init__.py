"""From a model to files that other run times load: ONNX, with the labels as an input."""
