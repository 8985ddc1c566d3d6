"""One peripheral a file. The file's name is the `model:` of a chip's YAML."""
