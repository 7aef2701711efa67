-- A season as PostgreSQL can write it in seconds: 20 events of 4 tiers, and %(orders)s orders, half of them let in.
-- Of a hundred orders 84 are paid, 10 wait for their money, 4 are cancelled and 2 refunded. Which is which goes by
-- the order's number, so that the load knows without asking.

-- The keys of events, tiers and orders, so that a script of pgbench can name them by a number.
CREATE FUNCTION bench_event(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
    $$ SELECT ('eeeeeeee-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;
CREATE FUNCTION bench_tier(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
    $$ SELECT ('77777777-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;
CREATE FUNCTION bench_number(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$ SELECT 'HP260901-' || lpad(n::text, 8, '0') $$;
CREATE FUNCTION bench_door() RETURNS uuid LANGUAGE sql IMMUTABLE AS
    $$ SELECT 'dddddddd-0000-4000-8000-000000000001'::uuid $$;
-- The ticket code of an order, as orders/codes.py derives it (HMAC-SHA256 by hand: there is no pgcrypto).
CREATE FUNCTION bench_code(id uuid) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT upper(encode(substr(sha256(%(outer_key)s::bytea || sha256(%(inner_key)s::bytea
        || convert_to(id::text || ':1', 'UTF8'))), 1, 16), 'hex')) $$;

INSERT INTO users (id, email, password_hash, name, role, is_active, token_version)
SELECT bench_door(), %(door_email)s, password_hash, 'Door', 'staff', true, 1 FROM users LIMIT 1;

INSERT INTO events (id, name, slug, location, venue, event_date, event_time, end_time, description, event_type,
                    main_artist, artists, image_url, min_age, status, is_featured, metadata)
SELECT bench_event(n), 'Luna Llena ' || n, 'luna-llena-' || n, 'Guatemala City', 'Casa del Lago', current_date + 30 + n,
       '21:00', '04:00', 'An open terrace above the lake. Bring your friends.', 'party', 'DJ Quetzal', ARRAY['DJ Quetzal', 'Marimba Azul'],
       'https://img.example.com/nights/luna-llena-' || n || '.jpg', 18, 'active', n <= 3, '{}'
  FROM generate_series(1, 20) n;

INSERT INTO ticket_tiers (id, event_id, name, description, price, currency, quantity, sold, max_per_order, payment_link,
                          sort_order, is_active)
SELECT bench_tier(n), bench_event((n + 3) / 4), (ARRAY['VIP', 'Early Bird', 'General', 'Last Call'])[1 + n %% 4],
       'One person, drinks apart', (ARRAY[75, 15, 25.5, 40])[1 + n %% 4], 'USD', 100000000, 0, 10, '', n %% 4, true
  FROM generate_series(1, 80) n;

-- What the triggers would refuse or stamp; the rows are consistent in themselves, as `doctor` confirms. The database's
-- owner may put off those of the models; a superuser those of foreign keys as well, which takes half the time.
DO $$ BEGIN SET LOCAL session_replication_role = replica; EXCEPTION WHEN insufficient_privilege THEN NULL; END $$;
ALTER TABLE orders DISABLE TRIGGER USER;
ALTER TABLE journal DISABLE TRIGGER USER;
ALTER TABLE audit_logs DISABLE TRIGGER USER;
ALTER TABLE checkins DISABLE TRIGGER USER;

WITH numbers AS MATERIALIZED (
    SELECT n, gen_random_uuid() AS id, 1 + n %% 80 AS tier, 1 + n %% 2 AS seats, 100.0 * n / %(orders)s AS share,
           now() - interval '1 hour' - (n * 7919 %% %(orders)s) * interval '90 seconds' AS made
      FROM generate_series(1::bigint, %(orders)s) n
)
INSERT INTO orders (id, order_number, event_id, tier_id, buyer_name, buyer_email, buyer_phone, buyer_country, quantity,
                    unit_price, total_price, currency, status, qr_code_hash, code_version, referral_source, is_test,
                    hold_expires_at, ip_address, user_agent, created_at, updated_at, payment_provider,
                    payment_reference, payment_confirmed_at, cancelled_at, refunded_at)
SELECT numbers.id, bench_number(n), tiers.event_id, tiers.id, 'Guest ' || n, 'guest' || n || '@example.com',
       '+502 5555 ' || lpad((n %% 10000)::text, 4, '0'), 'Guatemala', seats, price, price * seats, currency, status,
       encode(sha256(convert_to(bench_code(numbers.id), 'UTF8')), 'hex'), 1, 'direct', false,
       -- Nobody's time to pay ends during the benchmark.
       CASE status WHEN 'pending' THEN now() + interval '1 day' ELSE made + interval '1 hour' END, '192.0.2.1',
       'Mozilla/5.0', made, made, CASE WHEN was_paid THEN 'webhook' END, CASE WHEN was_paid THEN 'pay_' || n END,
       CASE WHEN was_paid THEN made + interval '5 minutes' END,
       CASE status WHEN 'cancelled' THEN made + interval '30 minutes' END,
       CASE status WHEN 'refunded' THEN made + interval '30 minutes' END
  FROM numbers
  JOIN ticket_tiers tiers ON tiers.id = bench_tier(tier),
       LATERAL (SELECT CASE WHEN share <= 84 THEN 'paid' WHEN share <= 94 THEN 'pending'
                            WHEN share <= 98 THEN 'cancelled' ELSE 'refunded' END AS status) statuses,
       LATERAL (SELECT status IN ('paid', 'refunded') AS was_paid) paid;

UPDATE ticket_tiers SET sold = seats
  FROM (SELECT tier_id, sum(quantity) AS seats FROM orders WHERE status IN ('pending', 'paid') GROUP BY 1) live
 WHERE id = tier_id;

INSERT INTO journal (id, kind, order_id, event_id, tier_id, seats, amount, currency, created_at)
SELECT gen_random_uuid(), kind, orders.id, event_id, tier_id, seats, amount, currency, created_at
  FROM orders,
       LATERAL (VALUES ('reserved', quantity, 0, true),
                       ('sale', 0, total_price, payment_reference IS NOT NULL),
                       ('released', -quantity, 0, status IN ('cancelled', 'refunded')),
                       ('refund', 0, -total_price, status = 'refunded')) steps (kind, seats, amount, happened)
 WHERE happened;

INSERT INTO webhook_deliveries (id, provider, event_id, body, headers, status, reason, attempts, received_at, processed_at)
SELECT gen_random_uuid(), 'webhook', 'msg_' || order_number,
       convert_to('{"event": "checkout.completed", "data": {"metadata": {"order_id": "' || order_number || '"}}}', 'UTF8'),
       '{}', 'applied', '', 1, payment_confirmed_at, payment_confirmed_at
  FROM orders WHERE status = 'paid';

INSERT INTO payments (id, order_id, kind, provider, reference, amount_minor, currency, payer_email, needs_review,
                      outcome, outcome_note, delivery_id, created_at)
SELECT gen_random_uuid(), orders.id, 'charge', 'webhook', payment_reference, total_price * 100, currency, buyer_email,
       '', '', '', deliveries.id, payment_confirmed_at
  FROM orders JOIN webhook_deliveries deliveries ON deliveries.event_id = 'msg_' || order_number;

INSERT INTO email_outbox (id, order_id, email_type, recipient_email, subject, status, attempts, next_attempt_at,
                          last_attempt_at, sent_at, context, created_at)
SELECT gen_random_uuid(), id, kind, buyer_email, 'A mail', 'sent', 1, created_at, created_at, created_at, '{}', created_at
  FROM orders, (VALUES ('confirmation'), ('ticket')) kinds (kind)
 WHERE kind = 'confirmation' OR payment_reference IS NOT NULL;

INSERT INTO audit_logs (id, action, entity_type, entity_id, old_value, new_value, created_at)
SELECT gen_random_uuid(), 'STATUS_CHANGE', 'order', id, '{"status": "pending"}', '{"status": "paid"}',
       payment_confirmed_at
  FROM orders WHERE payment_reference IS NOT NULL;

INSERT INTO checkins (id, order_id, admitted, checked_in_at, checked_in_by_id, device_info)
SELECT gen_random_uuid(), orders.id, quantity, orders.created_at + interval '30 minutes', bench_door(), 'Mozilla/5.0'
  FROM orders
 WHERE order_number <= bench_number(%(orders)s / 2);

INSERT INTO audit_logs (id, user_id, action, entity_type, entity_id, new_value, created_at)
SELECT gen_random_uuid(), checked_in_by_id, 'CHECKIN', 'order', order_id, jsonb_build_object('admitted', admitted),
       checked_in_at
  FROM checkins;

SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE orders ENABLE TRIGGER USER;
ALTER TABLE journal ENABLE TRIGGER USER;
ALTER TABLE audit_logs ENABLE TRIGGER USER;
ALTER TABLE checkins ENABLE TRIGGER USER;

-- What is newer than this was made by the load, and reset.sql takes it back.
CREATE TABLE bench_mark AS SELECT clock_timestamp() AS at;
