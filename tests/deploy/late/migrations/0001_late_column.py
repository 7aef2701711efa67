from django.db import migrations


class Migration(migrations.Migration):
    operations = [migrations.RunSQL("ALTER TABLE ticket_tiers ADD COLUMN late integer")]
