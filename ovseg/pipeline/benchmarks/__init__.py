"""Tables behind the settings: what banks, support images, objectness and CLIP's windows cost and give.

Each module is the work of one command of ``ovseg bench``: functions on a segmenter, a data set or a model.
"""
