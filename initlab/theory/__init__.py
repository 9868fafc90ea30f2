"""What an init does to a transformer at step 0, from its laws and sizes alone; the model is never seen."""
