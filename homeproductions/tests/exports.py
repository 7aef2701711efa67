"""Takes files away as the office does."""

import csv
import io
from io import BytesIO

import openpyxl

PATH = "/admin/exports/"
KINDS = ("orders", "guests", "revenue", "newsletter")


def take(client, what, format_name="csv", **choices):
    """The rows of a file as dictionaries, values as the file has them."""
    by = {"by": "event"} if what == "revenue" else {}
    response = client.post(PATH, {"what": what, "format": format_name, **by, **choices})
    assert response.status_code == 200, response.content
    content = b"".join(response.streaming_content)
    if format_name == "csv":
        return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    header, *rows = openpyxl.load_workbook(BytesIO(content)).active.values
    return [dict(zip(header, row, strict=True)) for row in rows]
