"""What a release is made of: its files, its steps, its documentation, and what is left when the machine is lost."""
