"""The command line: parses, calls, prints. Heavy imports wait inside the commands."""
