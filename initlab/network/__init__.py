"""What a network is before it has tensors: slots, the laws they start by, the topology around them."""
