-- The state of the books, all of one moment.
SELECT (SELECT count(*) FROM orders) AS orders,
       (SELECT sum(sold) FROM ticket_tiers) AS sold,
       (SELECT sum(quantity) FROM orders WHERE status IN ('pending', 'paid')) AS live,
       (SELECT sum(seats) FROM journal) AS journal,
       (SELECT count(*) FROM orders WHERE status = 'paid') AS paid,
       (SELECT count(*) FROM checkins) AS checkins,
       (SELECT count(*) FROM refused_scans) AS refused_scans,
       (SELECT count(*) FROM email_outbox WHERE status = 'sent') AS mails_sent,
       (SELECT count(*) FROM ticket_tiers WHERE sold > quantity) AS oversold,
       (SELECT count(*) FROM ticket_tiers
          LEFT JOIN (SELECT tier_id, sum(quantity) AS seats FROM orders WHERE status IN ('pending', 'paid') GROUP BY 1)
               held ON tier_id = id
         WHERE sold <> coalesce(seats, 0)) AS tiers_off
