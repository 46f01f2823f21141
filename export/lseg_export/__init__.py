"""From a model to files that other run times load. (Empty until `lseg export` lands.)"""
