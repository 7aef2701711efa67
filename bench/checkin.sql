-- One check-in as POST /api/checkin does it: what accounts/authentication.py and orders/services/checkin.py send. Each
-- client takes every sixteenth order from `first` on; `turn` counts its orders.

\set number :first + :turn * 16 + :client_id
\set turn :turn + 1

SELECT * FROM users WHERE is_active AND id = bench_door();

BEGIN;

SELECT orders.id AS order_id, orders.quantity AS people, orders.*, event.*, tier.*
  FROM orders JOIN events event ON orders.event_id = event.id JOIN ticket_tiers tier ON orders.tier_id = tier.id
 WHERE orders.order_number = bench_number(:number)
   FOR NO KEY UPDATE OF orders \gset door_

SELECT * FROM checkins WHERE order_id = :door_order_id ORDER BY checked_in_at DESC LIMIT 1;

INSERT INTO checkins (id, order_id, admitted, checked_in_at, checked_in_by_id, device_info, location_info, notes, nonce)
VALUES (gen_random_uuid(), :door_order_id, :door_people, now(), bench_door(), 'Mozilla/5.0', NULL, NULL, NULL);

INSERT INTO audit_logs (id, user_id, action, entity_type, entity_id, old_value, new_value, ip_address, user_agent,
                        created_at)
VALUES (gen_random_uuid(), bench_door(), 'CHECKIN', 'order', :door_order_id, NULL, '{"admitted": 1}', '127.0.0.1',
        'Mozilla/5.0', DEFAULT)
RETURNING created_at;

COMMIT;
