"""Every command in the documentation is run, or stands on a short list with the reason why not."""
