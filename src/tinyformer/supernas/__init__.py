"""SuperNAS: the space of supernets, its search, and the training of the supernet it finds."""
