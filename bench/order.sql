-- One order as POST /api/orders places it: the one statement that orders/services/checkout.py sends to PostgreSQL, from
-- the same number of clients. `first` and `last` are the tiers it may be of: 1 and 1 for the hot one, 1 and 80 for all.

\set tier random(:first, :last)
\set number random(1, 9000000000000000)

WITH seen AS (
    SELECT price, currency, is_active, max_per_order, sale_starts_at, sale_ends_at, night_version,
           gen_random_uuid() AS order_id
      FROM ticket_tiers WHERE id = bench_tier(:tier)
), taken AS (
    UPDATE ticket_tiers AS tier SET sold = tier.sold + 1
      FROM seen
     WHERE tier.id = bench_tier(:tier) AND tier.sold + 1 <= tier.quantity
       AND (tier.price, tier.currency, tier.is_active, tier.max_per_order, tier.sale_starts_at, tier.sale_ends_at,
            tier.night_version)
           IS NOT DISTINCT FROM (seen.price, seen.currency, seen.is_active, seen.max_per_order, seen.sale_starts_at,
            seen.sale_ends_at, seen.night_version)
    RETURNING tier.id, seen.order_id
), row0 AS (
    INSERT INTO orders (id, order_number, event_id, tier_id, buyer_name, buyer_email, buyer_phone, buyer_country,
                        quantity, unit_price, total_price, currency, status, payment_method, qr_code_hash,
                        code_version, referral_source, is_test, hold_expires_at, ip_address, user_agent)
    SELECT order_id, 'HP260902-' || :number, bench_event((:tier + 3) / 4), bench_tier(:tier), 'Ana Lopez',
           'ana.lopez@example.com', '+502 5555 1234', 'Guatemala', 1, 25.50, 25.50, 'USD', 'pending', 'card',
           lpad(:number::text, 64, '0'), 1, 'direct', false, now() + interval '1 hour', '127.0.0.1', 'Mozilla/5.0'
      FROM taken
), row1 AS (
    INSERT INTO journal (id, kind, order_id, event_id, tier_id, seats, amount, currency)
    SELECT gen_random_uuid(), 'reserved', order_id, bench_event((:tier + 3) / 4), bench_tier(:tier), 1, 0, 'USD'
      FROM taken
), row2 AS (
    INSERT INTO email_outbox (id, order_id, email_type, recipient_email, subject, status, attempts, next_attempt_at,
                              context)
    SELECT gen_random_uuid(), order_id, 'confirmation', 'ana.lopez@example.com',
           'Your order for Luna Llena: please pay', 'pending', 0, now(), '{}'
      FROM taken
)
SELECT statement_timestamp() FROM taken;
