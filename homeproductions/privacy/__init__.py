"""What one person may ask of us: everything that is known about them, and to be forgotten.

Each app knows what it holds; here it is put together. docs/privacy.md says what stays and why.
"""
