"""The command line: parses options, prints results, returns exit codes."""
