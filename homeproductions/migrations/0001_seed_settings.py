"""The three settings that the house starts with (contract 3.10). Values already there are kept."""

from constance.codecs import dumps
from django.db import migrations

SEED = {
    "site_name": "Home Productions",
    "contact_email": "info@homeproductions.art",
    "email_require_confirmation": True,
}


def seed(apps, schema_editor):
    Constance = apps.get_model("constance", "Constance")
    for key, value in SEED.items():
        Constance.objects.get_or_create(key=key, defaults={"value": dumps(value)})


class Migration(migrations.Migration):
    dependencies = [("constance", "0003_drop_pickle")]
    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
