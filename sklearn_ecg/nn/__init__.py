"""Torch modules: architectures and losses, importing torch alone."""
