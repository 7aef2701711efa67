"""What all screens of the office are made of: Django's admin with our site, base screens, steps and pages."""
