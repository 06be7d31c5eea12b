"""What is remembered: runs, their ledger, their files."""
