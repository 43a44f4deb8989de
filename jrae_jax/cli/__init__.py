"""The command line `jrae`."""
