"""From pictures to masks: preprocess -> engine -> postprocess -> write."""
