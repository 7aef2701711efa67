-- One check-in as POST /api/checkin does it: what accounts/authentication.py and orders/services/checkin.py send. Each
-- client takes every sixteenth order from `first` on; `turn` counts its orders.

\set number :first + :turn * 16 + :client_id
\set turn :turn + 1

SELECT * FROM users WHERE is_active AND id = bench_door();

SELECT id AS order_id, quantity AS people, orders.* FROM orders WHERE order_number = bench_number(:number) \gset door_

SELECT * FROM checkins WHERE order_id = :door_order_id ORDER BY id LIMIT 1;

WITH welcome AS (
    SELECT orders.id FROM orders JOIN events ON events.id = orders.event_id
     WHERE orders.id = :door_order_id AND (orders.status, orders.code_version, events.status) = ('paid', 1, 'active')
       FOR NO KEY UPDATE OF orders
), row0 AS (
    INSERT INTO checkins (id, order_id, admitted, checked_in_at, checked_in_by_id, device_info)
    SELECT gen_random_uuid(), id, :door_people, now(), bench_door(), 'Mozilla/5.0' FROM welcome
), row1 AS (
    INSERT INTO audit_logs (id, user_id, action, entity_type, entity_id, new_value, ip_address, user_agent)
    SELECT gen_random_uuid(), bench_door(), 'CHECKIN', 'order', id, '{"admitted": 1}', '127.0.0.1', 'Mozilla/5.0'
      FROM welcome
)
SELECT true FROM welcome;
