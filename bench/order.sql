-- One order as POST /api/orders places it: what orders/services/checkout.py sends to PostgreSQL, from the same number
-- of clients. `first` and `last` are the tiers it may be of: 1 and 1 for the hot one, 1 and 80 for all of them.

\set tier random(:first, :last)
\set number random(1, 9000000000000000)

SELECT tier.*, event.*
  FROM ticket_tiers tier JOIN events event ON tier.event_id = event.id
 WHERE tier.event_id = bench_event((:tier + 3) / 4) AND tier.id = bench_tier(:tier);

BEGIN;

SELECT tier.*, event.*
  FROM ticket_tiers tier JOIN events event ON tier.event_id = event.id
 WHERE tier.id = bench_tier(:tier)
   FOR NO KEY UPDATE OF tier;

UPDATE ticket_tiers SET sold = sold + 1 WHERE id = bench_tier(:tier);

INSERT INTO orders (id, order_number, event_id, tier_id, buyer_name, buyer_email, buyer_phone, corrected_email,
                    buyer_country, buyer_nationality, quantity, unit_price, total_price, currency, status,
                    payment_method, payment_provider, payment_reference, payment_confirmed_at,
                    payment_confirmed_by_id, qr_code_hash, code_version, qr_code_url, referral_source, is_test,
                    replaces_id, checkout_provider, checkout_reference, checkout_url, hold_expires_at, ip_address,
                    user_agent, created_at, updated_at, cancelled_at, refunded_at)
VALUES (gen_random_uuid(), 'HP260902-' || :number, bench_event((:tier + 3) / 4), bench_tier(:tier), 'Ana Lopez',
        'ana.lopez@example.com', '+502 5555 1234', NULL, 'Guatemala', NULL, 1, 25.50, 25.50, 'USD', 'pending',
        'card', NULL, NULL, NULL, NULL, lpad(:number::text, 64, '0'), 1, NULL, 'direct', false, NULL, NULL, NULL,
        NULL, now() + interval '1 hour', '127.0.0.1', 'Mozilla/5.0', DEFAULT, DEFAULT, NULL, NULL)
RETURNING id AS order_id, created_at, updated_at \gset

INSERT INTO journal (id, kind, order_id, event_id, tier_id, payment_id, seats, amount, currency, created_at)
VALUES (gen_random_uuid(), 'reserved', :order_id, bench_event((:tier + 3) / 4), bench_tier(:tier), NULL, 1, 0, 'USD',
        DEFAULT)
RETURNING created_at;

INSERT INTO email_outbox (id, order_id, email_type, recipient_email, subject, status, attempts, next_attempt_at,
                          lease_until, last_attempt_at, sent_at, error_message, closed_at, context, created_at)
VALUES (gen_random_uuid(), :order_id, 'confirmation', 'ana.lopez@example.com', 'Your order for Luna Llena: please pay',
        'pending', 0, now(), NULL, NULL, NULL, NULL, NULL, '{}', DEFAULT)
RETURNING created_at;

COMMIT;
