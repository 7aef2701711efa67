from django.contrib.auth.hashers import BCryptSHA256PasswordHasher


class BCryptSHA256(BCryptSHA256PasswordHasher):
    """Twelve rounds, whatever Django's default becomes. The SHA-256 step takes passwords above bcrypt's 72 bytes."""

    rounds = 12
