"""A job over many pictures: read, segmented or embedded or labelled anew, written; resumed where it stopped."""
