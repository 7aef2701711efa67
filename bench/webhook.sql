-- One payment as POST /api/webhook/payment books it: what orders/services/deliveries.py sends. Two transactions, because a
-- notice is stored and counted before anything is done about it. Each client takes every sixteenth order from `first` on;
-- `turn` counts its orders.

\set number :first + :turn * 16 + :client_id
\set turn :turn + 1

-- (RETURNING, because only the service knows the id before.)
INSERT INTO webhook_deliveries (id, provider, event_id, body, headers, status, reason, attempts, processed_at)
SELECT gen_random_uuid(), 'webhook', 'msg_' || bench_number(:number),
       '{"event": "checkout.completed", "data": {"id": "pay_HP260901-00084001", "metadata": {"order_id": "HP260901-00084001"}, "amount_in_cents": 2550, "currency": "USD", "customer_email": "guest84001@example.com"}}',
       '{"webhook-id": "msg_HP260901-00084001", "webhook-timestamp": "1795440980", "content-type": "application/json"}',
       'received', '', 1, now()
  FROM (SELECT) AS once
ON CONFLICT DO NOTHING
RETURNING id AS delivery_id \gset

BEGIN;

UPDATE webhook_deliveries SET status = 'applied', reason = '', processed_at = now()
 WHERE id = :delivery_id AND status = ANY('{received,failed}')
RETURNING *;

SELECT orders.id AS order_id, total_price AS price, event_id AS night, tier_id AS tier, orders.*, events.*
  FROM orders JOIN events ON events.id = orders.event_id
 WHERE orders.order_number = bench_number(:number)
   FOR NO KEY UPDATE OF orders \gset its_

SELECT * FROM payments
 WHERE provider = 'webhook' AND kind = 'charge'
   AND (checkout_reference = NULL OR reference = ANY(ARRAY['pay_' || bench_number(:number)])
        OR order_id = :its_order_id)
 ORDER BY created_at;

WITH paid AS (
    UPDATE orders SET status = 'paid', payment_provider = 'webhook',
                      payment_reference = 'pay_' || bench_number(:number), payment_confirmed_at = now(),
                      payment_confirmed_by_id = NULL
     WHERE id = :its_order_id
    RETURNING id
), part0 AS (
    INSERT INTO payments (id, order_id, delivery_id, kind, provider, reference, amount_minor, currency, payer_email,
                          needs_review, outcome, outcome_note)
    SELECT gen_random_uuid(), :its_order_id, :delivery_id, 'charge', 'webhook', 'pay_' || bench_number(:number),
           (:its_price)::numeric * 100, 'USD', 'guest@example.com', '', '', ''
      FROM paid
), part1 AS (
    INSERT INTO audit_logs (id, action, entity_type, entity_id, old_value, new_value, ip_address, user_agent)
    SELECT gen_random_uuid(), 'STATUS_CHANGE', 'order', :its_order_id, '{"status": "pending"}',
           '{"status": "paid", "provider": "webhook"}', '127.0.0.1', 'Mozilla/5.0'
      FROM paid
), part2 AS (
    INSERT INTO journal (id, kind, order_id, event_id, tier_id, seats, amount, currency)
    SELECT gen_random_uuid(), 'sale', :its_order_id, :its_night, :its_tier, 0, :its_price, 'USD' FROM paid
), part3 AS (
    UPDATE email_outbox
       SET status = 'failed', closed_at = now(), lease_until = NULL, error_message = 'the order was paid'
     WHERE order_id = :its_order_id AND status = ANY('{pending,processing}') AND email_type = ANY('{confirmation}')
), part4 AS (
    INSERT INTO email_outbox (id, order_id, email_type, recipient_email, subject, status, attempts, next_attempt_at,
                              context)
    SELECT gen_random_uuid(), :its_order_id, 'ticket', 'guest@example.com', 'Your Ticket: Luna Llena', 'pending', 0,
           now(), '{}'
      FROM paid
)
SELECT true FROM paid;

SELECT * FROM payments WHERE provider = 'webhook' AND charge_id IS NULL AND outcome = '' AND kind <> 'charge';

COMMIT;
