from django.db import migrations, models
from django.db.models.deletion import PROTECT


class Migration(migrations.Migration):
    dependencies = [("orders", "0012_forgotten_guests")]

    operations = [
        migrations.AddField(
            model_name="webhookdelivery",
            name="order",
            field=models.ForeignKey(
                blank=True, db_index=False, null=True, on_delete=PROTECT, related_name="notices", to="orders.order"
            ),
        ),
        migrations.AddField(
            model_name="webhookdelivery",
            name="looked_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
