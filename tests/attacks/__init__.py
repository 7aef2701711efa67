"""What somebody hostile sends. Each attack has a control: what is asked rightly works, or a planted hole is found."""
