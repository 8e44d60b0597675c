"""A static page that runs .tflite files in a browser: ``densevision web`` and ``densevision serve``."""
