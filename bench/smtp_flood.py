"""Mails of one size, one after the other, by bare smtplib: `python -m bench.smtp_flood PORT NUMBER SIZE`.

Prints how many left in a second, from the first connection to the last answer.
"""

import smtplib
import sys
import time

LINE = b"x" * 74 + b"\r\n"


def main(port: str, number: str, size: str) -> None:
    mail = b"Subject: Your ticket\r\n\r\n" + LINE * (int(size) // len(LINE))
    start = time.perf_counter()
    with smtplib.SMTP("127.0.0.1", int(port), timeout=10) as line:
        for _ in range(int(number)):
            line.sendmail("tickets@bench.example", ["guest@example.com"], mail)
    print(int(number) / (time.perf_counter() - start))


if __name__ == "__main__":
    main(*sys.argv[1:])
