"""What breaks: processes are killed, the database, the mail server and Redis go away in the middle of an evening."""
