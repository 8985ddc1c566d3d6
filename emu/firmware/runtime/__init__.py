"""Data only: C sources that are compiled into firmware. A package so that they are installed."""
