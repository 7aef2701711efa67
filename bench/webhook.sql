-- One payment as POST /api/webhook/payment books it: what orders/services/payments.py sends, with each look-up once.
-- Three transactions, because a notice is stored and counted before anything is done about it. Each client takes every
-- sixteenth order from `first` on; `turn` counts its orders.

\set number :first + :turn * 16 + :client_id
\set turn :turn + 1

SELECT * FROM webhook_deliveries WHERE event_id = 'msg_' || bench_number(:number) AND provider = 'webhook' LIMIT 21;

INSERT INTO webhook_deliveries (id, provider, event_id, body, headers, status, reason, attempts, received_at,
                                processed_at)
VALUES (gen_random_uuid(), 'webhook', 'msg_' || bench_number(:number),
        '{"event": "checkout.completed", "data": {"id": "pay_HP260901-00084001", "metadata": {"order_id": "HP260901-00084001"}, "amount_in_cents": 2550, "currency": "USD", "customer_email": "guest84001@example.com"}}',
        '{"webhook-id": "msg_HP260901-00084001", "webhook-timestamp": "1795440980", "content-type": "application/json"}',
        'received', '', 0, DEFAULT, NULL)
RETURNING id AS delivery_id, received_at \gset

UPDATE webhook_deliveries SET attempts = attempts + 1, processed_at = now()
 WHERE id = :delivery_id AND status IN ('received', 'failed');

BEGIN;

SELECT * FROM webhook_deliveries WHERE id = :delivery_id LIMIT 21 FOR NO KEY UPDATE OF webhook_deliveries;

SELECT * FROM payments
 WHERE kind = 'charge' AND provider = 'webhook' AND reference IN ('pay_' || bench_number(:number))
 ORDER BY created_at LIMIT 1;

SELECT id AS order_id FROM orders WHERE order_number = bench_number(:number) ORDER BY created_at DESC LIMIT 1 \gset

SELECT payments.*, webhook_deliveries.*
  FROM payments JOIN webhook_deliveries ON payments.delivery_id = webhook_deliveries.id
 WHERE kind = 'charge' AND payments.provider = 'webhook' AND payments.order_id = :order_id
 ORDER BY payments.created_at DESC;

SELECT orders.total_price AS price, orders.event_id AS night, orders.tier_id AS tier, orders.*, event.*, tier.*
  FROM orders JOIN events event ON orders.event_id = event.id JOIN ticket_tiers tier ON orders.tier_id = tier.id
 WHERE orders.id = :order_id
   FOR NO KEY UPDATE OF orders \gset its_

INSERT INTO payments (id, order_id, delivery_id, charge_id, kind, provider, reference, checkout_reference, amount_minor,
                      fee_minor, currency, payer_email, needs_review, outcome, outcome_note, reviewed_at,
                      reviewed_by_id, created_at)
VALUES (gen_random_uuid(), :order_id, :delivery_id, NULL, 'charge', 'webhook', 'pay_' || bench_number(:number), NULL,
        (:its_price)::numeric * 100, NULL, 'USD', 'guest@example.com', '', '', '', NULL, NULL, DEFAULT)
RETURNING id AS payment_id, created_at \gset

SELECT 1 AS a FROM orders WHERE replaces_id = :order_id AND status = 'paid' LIMIT 1;

UPDATE orders SET status = 'paid', payment_provider = 'webhook', payment_reference = 'pay_' || bench_number(:number),
                  payment_confirmed_at = now(), payment_confirmed_by_id = NULL
 WHERE id = :order_id;

INSERT INTO audit_logs (id, user_id, action, entity_type, entity_id, old_value, new_value, ip_address, user_agent,
                        created_at)
VALUES (gen_random_uuid(), NULL, 'STATUS_CHANGE', 'order', :order_id, '{"status": "pending"}',
        '{"status": "paid", "provider": "webhook"}', '127.0.0.1', 'Mozilla/5.0', DEFAULT)
RETURNING created_at;

INSERT INTO journal (id, kind, order_id, event_id, tier_id, payment_id, seats, amount, currency, created_at)
VALUES (gen_random_uuid(), 'sale', :order_id, :its_night, :its_tier, NULL, 0, :its_price, 'USD', DEFAULT)
RETURNING created_at;

UPDATE email_outbox SET status = 'failed', closed_at = now(), lease_until = NULL, error_message = 'the order was paid'
 WHERE order_id = :order_id AND status IN ('pending', 'processing') AND email_type IN ('confirmation');

INSERT INTO email_outbox (id, order_id, email_type, recipient_email, subject, status, attempts, next_attempt_at,
                          lease_until, last_attempt_at, sent_at, error_message, closed_at, context, created_at)
VALUES (gen_random_uuid(), :order_id, 'ticket', 'guest@example.com', 'Your Ticket: Luna Llena', 'pending', 0, now(),
        NULL, NULL, NULL, NULL, NULL, '{}', DEFAULT)
ON CONFLICT DO NOTHING;

SELECT * FROM payments
 WHERE charge_id = :payment_id AND kind = 'refund' AND NOT (needs_review IN ('refund_failed', 'refund_due'))
 ORDER BY created_at DESC LIMIT 1;

SELECT payments.*, webhook_deliveries.*
  FROM payments LEFT JOIN webhook_deliveries ON payments.delivery_id = webhook_deliveries.id
 WHERE charge_id IS NULL AND outcome = '' AND payments.provider = 'webhook' AND NOT (kind = 'charge')
 ORDER BY payments.created_at DESC;

UPDATE webhook_deliveries SET status = 'applied', reason = '', processed_at = now() WHERE id = :delivery_id;

COMMIT;
