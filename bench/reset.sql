-- Back to the season as it was filled: every measurement finds tables of the same size.

-- As season.sql does.
DO $$ BEGIN SET LOCAL session_replication_role = replica; EXCEPTION WHEN insufficient_privilege THEN NULL; END $$;
ALTER TABLE orders DISABLE TRIGGER USER;
ALTER TABLE journal DISABLE TRIGGER USER;
ALTER TABLE audit_logs DISABLE TRIGGER USER;

DELETE FROM refused_scans;
DELETE FROM checkins USING bench_mark WHERE checked_in_at > at;
DELETE FROM audit_logs USING bench_mark WHERE created_at > at;
DELETE FROM journal USING bench_mark WHERE created_at > at;
DELETE FROM email_outbox USING bench_mark WHERE created_at > at;
DELETE FROM payments USING bench_mark WHERE created_at > at;
DELETE FROM webhook_deliveries USING bench_mark WHERE received_at > at;
DELETE FROM orders USING bench_mark WHERE created_at > at;
UPDATE orders SET status = 'pending', payment_provider = NULL, payment_reference = NULL, payment_confirmed_at = NULL
  FROM bench_mark WHERE payment_confirmed_at > at;

SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE orders ENABLE TRIGGER USER;
ALTER TABLE journal ENABLE TRIGGER USER;
ALTER TABLE audit_logs ENABLE TRIGGER USER;

UPDATE ticket_tiers SET quantity = 100000000, sold = seats
  FROM (SELECT tier_id, sum(quantity) AS seats FROM orders WHERE status IN ('pending', 'paid') GROUP BY 1) live
 WHERE id = tier_id AND (quantity, sold) <> (100000000, seats);
