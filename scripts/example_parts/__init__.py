"""The parts on the photos in examples/, one module for each."""
