from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Notices go on coming meanwhile, however many there are.
    atomic = False
    dependencies = [("orders", "0013_order_of_notice")]

    operations = [
        AddIndexConcurrently(
            model_name="webhookdelivery",
            index=models.Index(fields=["order"], name="delivery_of_order", condition=models.Q(order__isnull=False)),
        ),
        AddIndexConcurrently(
            model_name="webhookdelivery",
            index=models.Index(
                fields=["received_at", "id"],
                name="delivery_unseen",
                condition=models.Q(looked_at__isnull=True, forgotten_at__isnull=True),
            ),
        ),
        AddIndexConcurrently(
            model_name="webhookdelivery",
            index=models.Index(
                fields=["received_at", "id"],
                name="delivery_of_nobody",
                condition=models.Q(looked_at__isnull=False, order__isnull=True, forgotten_at__isnull=True),
            ),
        ),
    ]
