"""What the benchmarks against the real Tap are made of: a network for it, the program, clients."""
