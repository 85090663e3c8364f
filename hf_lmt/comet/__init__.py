"""COMET-22, CometKiwi and XCOMET on plain transformers encoders: lists of texts -> a score for each segment."""
