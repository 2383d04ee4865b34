"""Tables that compare choices on a user's own data: banks, numbers of support images, settings of discovery.

Each module is the work of one command of ``ovseg bench``: functions on a segmenter, a data set or a model.
"""
