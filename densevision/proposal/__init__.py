"""Choose the settings of a training from a folder of data, and write them as a config."""
