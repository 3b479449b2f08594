-- Written once, in the subset that both databases share. Parameters are $1, $2 ...; SQLite reads them as ?1, ?2 ...

-- name: symbol_ids
SELECT symbol, symbol_id, quote FROM symbols

-- name: samples
SELECT time, sample_ms, price, open, high, low, volume, notional, taker_buy_volume, trades, bid, ask, first_id, last_id, gap
FROM samples WHERE symbol_id = $1 AND time >= $2 AND time < $3 ORDER BY time

-- name: some_samples
SELECT time, sample_ms, price, open, high, low, volume, notional, taker_buy_volume, trades, bid, ask, first_id, last_id, gap
FROM samples WHERE symbol_id = $1 AND time >= $2 AND time < $3 ORDER BY time LIMIT $4

-- name: blocks
SELECT time, field, data FROM sample_blocks
WHERE symbol_id = $1 AND time >= $2 AND time < $3 AND field >= 0 AND (CAST($4 AS bigint) >> field) & 1 = 1
AND (field <> 1 OR time >= $5)
ORDER BY time, field

-- name: block_ends
SELECT y.symbol_id, (SELECT b.end_time FROM sample_blocks b WHERE b.symbol_id = y.symbol_id ORDER BY b.time DESC LIMIT 1)
FROM symbols y

-- name: next_samples
SELECT y.symbol_id, (SELECT s.time FROM samples s WHERE s.symbol_id = y.symbol_id AND s.time >= COALESCE(
  (SELECT b.end_time FROM sample_blocks b WHERE b.symbol_id = y.symbol_id ORDER BY b.time DESC LIMIT 1), $1)
  ORDER BY s.time LIMIT 1)
FROM symbols y

-- name: amended_hours
SELECT symbol_id, time FROM sample_blocks WHERE field = -1 ORDER BY time LIMIT $1

-- name: put_block
INSERT INTO sample_blocks (symbol_id, time, field, end_time, data) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (symbol_id, time, field) DO UPDATE SET end_time = excluded.end_time, data = excluded.data

-- name: drop_blocks
DELETE FROM sample_blocks WHERE symbol_id = $1 AND time = $2

-- name: drop_old_blocks
DELETE FROM sample_blocks WHERE time < $1

-- name: sample_before
SELECT time, sample_ms, price, open, high, low, volume, notional, taker_buy_volume, trades, bid, ask, first_id, last_id, gap
FROM samples WHERE symbol_id = $1 AND time >= $2 AND time < $3 ORDER BY time DESC LIMIT 1

-- name: sample_marks
SELECT min((SELECT s.time FROM samples s WHERE s.symbol_id = y.symbol_id ORDER BY s.time LIMIT 1)),
  max((SELECT s.time FROM samples s WHERE s.symbol_id = y.symbol_id AND s.time < $1 ORDER BY s.time DESC LIMIT 1)),
  min((SELECT s.time FROM samples s WHERE s.symbol_id = y.symbol_id AND s.time >= $1 ORDER BY s.time LIMIT 1)),
  max((SELECT s.time FROM samples s WHERE s.symbol_id = y.symbol_id ORDER BY s.time DESC LIMIT 1))
FROM symbols y

-- name: newest_sample
SELECT time FROM samples WHERE symbol_id = $1 AND time >= $2 AND time < $3 ORDER BY time DESC LIMIT 1

-- name: candles
SELECT time, open, high, low, close, volume, quote_volume, trades, taker_buy_volume, gap
FROM bars WHERE symbol_id = $1 AND interval = $2 AND time >= $3 AND time < $4 ORDER BY time DESC LIMIT $5

-- name: closes
SELECT time, CASE WHEN gap AND NOT COALESCE(volume, 0) > 0 THEN NULL ELSE close END
FROM bars WHERE symbol_id = $1 AND interval = $2 AND time >= $3 AND time < $4 ORDER BY time

-- name: trades
SELECT y.symbol, p.trade_id, p.price, p.quantity, p.time, p.is_buyer_maker, p.trades, p.trade_value, p.is_whale
FROM prints p JOIN symbols y ON y.symbol_id = p.symbol_id
WHERE p.symbol_id = $1 AND p.time >= $2 AND p.time < $3 ORDER BY p.time DESC, p.trade_id DESC LIMIT $4

-- name: whales_of_symbol
SELECT y.symbol, p.trade_id, p.price, p.quantity, p.time, p.is_buyer_maker, p.trades, p.trade_value, p.is_whale
FROM prints p JOIN symbols y ON y.symbol_id = p.symbol_id
WHERE p.is_whale AND p.symbol_id = $1 AND p.trade_value >= $2 AND p.time >= $3 AND p.time < $4
ORDER BY p.time DESC, p.trade_id DESC LIMIT $5

-- name: whales
SELECT y.symbol, p.trade_id, p.price, p.quantity, p.time, p.is_buyer_maker, p.trades, p.trade_value, p.is_whale
FROM prints p JOIN symbols y ON y.symbol_id = p.symbol_id
WHERE p.is_whale AND p.trade_value >= $1 AND p.time >= $2 AND p.time < $3
ORDER BY p.time DESC, p.trade_id DESC LIMIT $4

-- name: gaps
SELECT gap_id, venue, symbol, reason, state, from_time, to_time, from_id, to_id, refilled
FROM gaps WHERE to_time >= $1 AND from_time < $2 ORDER BY from_time DESC, gap_id LIMIT $3

-- name: gaps_of_symbol
SELECT gap_id, venue, symbol, reason, state, from_time, to_time, from_id, to_id, refilled
FROM gaps WHERE symbol = $1 AND to_time >= $2 AND from_time < $3 ORDER BY from_time DESC, gap_id LIMIT $4

-- name: quiet
SELECT symbol, cause, from_time, to_time, is_open, venue
FROM quiet_spans WHERE symbol = $1 AND (to_time > $2 OR is_open) AND from_time < $3 ORDER BY from_time DESC, cause LIMIT $4

-- name: open_quiet
SELECT symbol, cause, from_time, to_time, is_open, venue
FROM quiet_spans WHERE is_open ORDER BY from_time DESC, symbol, cause LIMIT $1

-- name: instruments
SELECT symbol, base, quote, tick_size, lot_step, trading FROM symbols WHERE listed ORDER BY symbol_id

-- name: last_trade
SELECT last_id, time FROM samples WHERE symbol_id = $1 AND time >= $2 AND last_id > 0 ORDER BY time DESC LIMIT 1

-- name: aggregates
SELECT symbol, moving_average, trade_count, total_volume, updated_at FROM trade_aggregates ORDER BY symbol

-- name: add_symbol
INSERT INTO symbols (symbol) VALUES ($1) ON CONFLICT (symbol) DO NOTHING

-- name: put_instrument
INSERT INTO symbols (symbol, base, quote, tick_size, lot_step, trading, listed) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (symbol) DO UPDATE SET base = excluded.base, quote = excluded.quote, tick_size = excluded.tick_size,
  lot_step = excluded.lot_step, trading = excluded.trading, listed = excluded.listed

-- name: put_print
INSERT INTO prints (symbol_id, time, trade_id, price, quantity, is_buyer_maker, trades, trade_value, is_whale)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (symbol_id, time, trade_id) DO UPDATE SET price = excluded.price, quantity = excluded.quantity,
  is_buyer_maker = excluded.is_buyer_maker, trades = excluded.trades,
  trade_value = COALESCE(excluded.trade_value, prints.trade_value), is_whale = excluded.is_whale OR prints.is_whale

-- name: put_own_candle
INSERT INTO bars (symbol_id, interval, time, open, high, low, close, volume, quote_volume, trades, taker_buy_volume, gap)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (symbol_id, interval, time) DO UPDATE SET open = excluded.open, high = excluded.high, low = excluded.low,
  close = excluded.close, volume = excluded.volume, quote_volume = excluded.quote_volume, trades = excluded.trades,
  taker_buy_volume = excluded.taker_buy_volume, gap = excluded.gap
WHERE bars.gap OR NOT excluded.gap

-- name: put_venue_candle
INSERT INTO bars (symbol_id, interval, time, open, high, low, close, volume, quote_volume, trades, taker_buy_volume, gap)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (symbol_id, interval, time) DO UPDATE SET open = excluded.open, high = excluded.high, low = excluded.low,
  close = excluded.close, volume = excluded.volume, quote_volume = excluded.quote_volume, trades = excluded.trades,
  taker_buy_volume = excluded.taker_buy_volume, gap = excluded.gap
WHERE bars.gap

-- name: put_gap
INSERT INTO gaps (gap_id, venue, symbol, reason, state, from_time, to_time, from_id, to_id, refilled)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (gap_id) DO UPDATE SET venue = excluded.venue, symbol = excluded.symbol, reason = excluded.reason,
  state = excluded.state, from_time = excluded.from_time, to_time = excluded.to_time, from_id = excluded.from_id,
  to_id = excluded.to_id, refilled = excluded.refilled

-- name: put_quiet
INSERT INTO quiet_spans (symbol, cause, from_time, to_time, is_open, venue) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (symbol, from_time, cause) DO UPDATE SET to_time = excluded.to_time, is_open = excluded.is_open,
  venue = excluded.venue

-- name: drop_old_quiet
DELETE FROM quiet_spans WHERE (to_time < $1 OR from_time < (SELECT q.from_time FROM quiet_spans q ORDER BY q.from_time DESC
  LIMIT 1 OFFSET $2)) AND NOT EXISTS (SELECT 1 FROM pins p WHERE p.symbol = quiet_spans.symbol
  AND p.from_time < quiet_spans.to_time AND p.to_time > quiet_spans.from_time)

-- name: put_aggregate
INSERT INTO trade_aggregates (symbol, moving_average, trade_count, total_volume, updated_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (symbol) DO UPDATE SET moving_average = excluded.moving_average, trade_count = excluded.trade_count,
  total_volume = excluded.total_volume, updated_at = excluded.updated_at

-- name: put_metric
INSERT INTO metrics (symbol, metric_window, updated_at, state, price, spread_bps, sma, ema, wma, vwap, price_std, volatility,
  realized_vol, drawdown, max_drawdown, change, zscore, high, low, volume, trade_rate, buy_ratio, correlation, beta)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)
ON CONFLICT (symbol, metric_window) DO UPDATE SET updated_at = excluded.updated_at, state = excluded.state,
  price = excluded.price, spread_bps = excluded.spread_bps, sma = excluded.sma, ema = excluded.ema, wma = excluded.wma,
  vwap = excluded.vwap, price_std = excluded.price_std, volatility = excluded.volatility,
  realized_vol = excluded.realized_vol, drawdown = excluded.drawdown, max_drawdown = excluded.max_drawdown,
  change = excluded.change, zscore = excluded.zscore, high = excluded.high, low = excluded.low, volume = excluded.volume,
  trade_rate = excluded.trade_rate, buy_ratio = excluded.buy_ratio, correlation = excluded.correlation, beta = excluded.beta

-- name: sample_span
SELECT min((SELECT s.time FROM samples s WHERE s.symbol_id = y.symbol_id ORDER BY s.time LIMIT 1)),
  max((SELECT s.time FROM samples s WHERE s.symbol_id = y.symbol_id ORDER BY s.time DESC LIMIT 1))
FROM symbols y

-- name: put_rule
INSERT INTO alert_rules (rule_id, version, name, expression, symbols, for_ms, recover, keep_firing_ms, cooldown_ms, repeat_ms,
  severity, channels, enabled, expires_at, origin, schedule, intrabar, note, muted_until, owner_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
ON CONFLICT (rule_id, version) DO UPDATE SET name = excluded.name, expression = excluded.expression, symbols = excluded.symbols,
  for_ms = excluded.for_ms, recover = excluded.recover, keep_firing_ms = excluded.keep_firing_ms,
  cooldown_ms = excluded.cooldown_ms, repeat_ms = excluded.repeat_ms, severity = excluded.severity,
  channels = excluded.channels, enabled = excluded.enabled, expires_at = excluded.expires_at, origin = excluded.origin,
  schedule = excluded.schedule, intrabar = excluded.intrabar, note = excluded.note, muted_until = excluded.muted_until,
  owner_id = excluded.owner_id

-- name: put_removal
INSERT INTO rule_removals (rule_id, removed_at) VALUES ($1, $2)
ON CONFLICT (rule_id) DO UPDATE SET removed_at = excluded.removed_at

-- name: removals
SELECT rule_id, removed_at FROM rule_removals WHERE removed_at IS NOT NULL ORDER BY rule_id

-- name: put_alert
INSERT INTO alerts (alert_id, rule_id, rule_version, rule_name, symbol, metric, threshold, timestamp, trigger_value, state,
  resolved_at, severity, late, acknowledged_at, context)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT (alert_id) DO UPDATE SET rule_name = excluded.rule_name, metric = excluded.metric, threshold = excluded.threshold,
  timestamp = excluded.timestamp, trigger_value = excluded.trigger_value,
  state = CASE WHEN alerts.state = 'pending' AND excluded.state = 'resolved' THEN 'withdrawn' ELSE excluded.state END,
  resolved_at = excluded.resolved_at, severity = excluded.severity, late = excluded.late,
  context = excluded.context
WHERE alerts.state <> 'resolved' OR excluded.state = 'resolved'

-- name: drop_withdrawn
DELETE FROM alerts WHERE state <> 'resolved' AND state = 'withdrawn'

-- name: put_notification
INSERT INTO outbox (notification_id, alert_id, channel, kind, state, attempts, created_at, last_error, due_at, sent_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (notification_id) DO NOTHING

-- name: put_pin
INSERT INTO pins (alert_id, symbol, from_time, to_time) VALUES ($1, $2, $3, $4)
ON CONFLICT (alert_id, symbol) DO UPDATE SET from_time = excluded.from_time, to_time = excluded.to_time

-- name: pinned_spans
SELECT y.symbol_id, p.from_time, p.to_time
FROM pins p JOIN symbols y ON y.symbol = p.symbol WHERE p.from_time < $1 ORDER BY y.symbol_id, p.from_time

-- name: mark_notice
UPDATE outbox SET state = $2, attempts = $3, last_error = $4, due_at = $5, sent_at = $6
WHERE notification_id = $1 AND state = 'waiting'

-- name: revive_notices
UPDATE outbox SET state = 'waiting', attempts = 0, due_at = NULL
WHERE state = 'dead' AND (CAST($1 AS text) IS NULL OR notification_id = $1)

-- name: discard_notice
UPDATE outbox SET state = 'discarded', due_at = NULL WHERE notification_id = $1 AND state IN ('waiting', 'dead')

-- name: acknowledge
UPDATE alerts SET acknowledged_at = COALESCE(acknowledged_at, $2) WHERE alert_id = $1

-- name: forget_acknowledgement
UPDATE alerts SET acknowledged_at = NULL WHERE alert_id = $1

-- name: put_silence
INSERT INTO silences (silence_id, rule_id, symbol, severity, starts_at, ends_at, comment, who, created_at, ended_at, remind)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (silence_id) DO UPDATE SET ended_at = COALESCE(silences.ended_at, excluded.ended_at)

-- name: silences
SELECT silence_id, starts_at, ends_at, rule_id, symbol, severity, comment, who, created_at, ended_at, remind
FROM silences ORDER BY ends_at DESC, silence_id DESC LIMIT $1

-- name: alerts
SELECT alert_id, rule_id, rule_version, rule_name, symbol, metric, threshold, trigger_value, timestamp, state, severity,
  resolved_at, acknowledged_at, late, context
FROM alerts
WHERE timestamp >= $1 AND timestamp < $2 AND (CAST($3 AS text) IS NULL OR state = $3)
  AND (CAST($4 AS text) IS NULL OR symbol = $4) AND (CAST($5 AS text) IS NULL OR rule_id = $5)
ORDER BY timestamp DESC, alert_id DESC LIMIT $6

-- name: standing_alerts
SELECT alert_id, rule_id, rule_version, rule_name, symbol, metric, threshold, trigger_value, timestamp, state, severity,
  resolved_at, acknowledged_at, late, context
FROM alerts WHERE timestamp <= $1 AND (resolved_at IS NULL OR resolved_at > $1)
ORDER BY timestamp DESC, alert_id DESC LIMIT $2

-- name: alert
SELECT alert_id, rule_id, rule_version, rule_name, symbol, metric, threshold, trigger_value, timestamp, state, severity,
  resolved_at, acknowledged_at, late, context
FROM alerts WHERE alert_id = $1

-- name: rules
SELECT rule_id, version, name, expression, symbols, for_ms, recover, keep_firing_ms, cooldown_ms, repeat_ms, severity,
  channels, enabled, expires_at, origin, schedule, intrabar, note, muted_until, owner_id
FROM alert_rules WHERE CAST($1 AS text) IS NULL OR rule_id = $1 ORDER BY rule_id, version DESC

-- name: outbox
SELECT notification_id, alert_id, channel, kind, state, attempts, created_at, last_error, due_at, sent_at
FROM outbox WHERE CAST($1 AS text) IS NULL OR state = $1 ORDER BY created_at, notification_id LIMIT $2

-- name: add_user
INSERT INTO accounts (user_id, username, username_key, email, email_key, password_hash, role, created_at, active, totp_secret,
  totp_confirmed, totp_step, outside, preferences)
VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN EXISTS (SELECT 1 FROM accounts) THEN $7 ELSE 'admin' END, $8, $9, $10, $11, $12, $13,
  $14)
ON CONFLICT DO NOTHING

-- name: use_invitation
UPDATE invitations SET used_at = $2, used_by = $3 WHERE invitation_id = $1 AND used_at IS NULL AND expires_at > $2

-- name: user
SELECT user_id, username, email, password_hash, role, created_at, active, totp_secret, totp_confirmed, totp_step, outside,
  preferences
FROM accounts WHERE user_id = $1

-- name: user_named
SELECT user_id, username, email, password_hash, role, created_at, active, totp_secret, totp_confirmed, totp_step, outside,
  preferences
FROM accounts WHERE username_key = $1 OR email_key = $1 ORDER BY CASE WHEN username_key = $1 THEN 0 ELSE 1 END LIMIT 1

-- name: user_outside
SELECT user_id, username, email, password_hash, role, created_at, active, totp_secret, totp_confirmed, totp_step, outside,
  preferences
FROM accounts WHERE outside = $1

-- name: users
SELECT user_id, username, email, password_hash, role, created_at, active, totp_secret, totp_confirmed, totp_step, outside,
  preferences
FROM accounts ORDER BY created_at, user_id LIMIT 1000

-- name: count_users
SELECT count(*) FROM accounts

-- name: set_profile
UPDATE accounts SET username = $2, username_key = $3, email = $4, email_key = $5
WHERE user_id = $1 AND NOT EXISTS (SELECT 1 FROM accounts o WHERE o.user_id <> $1 AND (o.username_key = $3 OR o.email_key = $5))

-- name: set_preferences
UPDATE accounts SET preferences = $2 WHERE user_id = $1

-- name: set_password
UPDATE accounts SET password_hash = $2 WHERE user_id = $1

-- name: set_standing
UPDATE accounts SET role = $2, active = $3
WHERE user_id = $1 AND ((CAST($2 AS text) = 'admin' AND $3)
  OR EXISTS (SELECT 1 FROM accounts o WHERE o.user_id <> $1 AND o.role = 'admin' AND o.active))

-- name: set_totp
UPDATE accounts SET totp_secret = $2, totp_confirmed = $3, totp_step = $4 WHERE user_id = $1

-- name: use_totp_step
UPDATE accounts SET totp_step = $2 WHERE user_id = $1 AND totp_step < $2

-- name: drop_recovery_codes
DELETE FROM recovery_codes WHERE user_id = $1

-- name: add_recovery_code
INSERT INTO recovery_codes (user_id, code_hash) VALUES ($1, $2)

-- name: use_recovery_code
UPDATE recovery_codes SET used_at = $3 WHERE user_id = $1 AND code_hash = $2 AND used_at IS NULL

-- name: recovery_codes_left
SELECT count(*) FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL

-- name: add_session
INSERT INTO sessions (session_id, user_id, kind, token_hash, created_at, seen_at, expires_at, address, agent)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: session
SELECT session_id, user_id, kind, token_hash, created_at, seen_at, expires_at, address, agent FROM sessions WHERE session_id = $1

-- name: session_of_token
SELECT session_id, user_id, kind, token_hash, created_at, seen_at, expires_at, address, agent FROM sessions WHERE token_hash = $1

-- name: sessions_of
SELECT session_id, user_id, kind, token_hash, created_at, seen_at, expires_at, address, agent FROM sessions
WHERE user_id = $1 ORDER BY created_at DESC, session_id LIMIT 1000

-- name: touch_session
UPDATE sessions SET seen_at = $2, address = $3 WHERE session_id = $1

-- name: end_session
DELETE FROM sessions WHERE session_id = $1

-- name: end_sessions_of
DELETE FROM sessions WHERE user_id = $1 AND session_id <> $2

-- name: drop_ended
DELETE FROM sessions WHERE expires_at <= $1 OR (kind = 'browser' AND seen_at <= $2)

-- name: drop_refresh_tokens
DELETE FROM refresh_tokens WHERE session_id = $1

-- name: drop_orphans
DELETE FROM refresh_tokens WHERE NOT EXISTS (SELECT 1 FROM sessions s WHERE s.session_id = refresh_tokens.session_id)

-- name: drop_expired_tokens
DELETE FROM refresh_tokens WHERE expires_at <= $1

-- name: add_refresh_token
INSERT INTO refresh_tokens (token_hash, session_id, issued_at, expires_at, used_at) VALUES ($1, $2, $3, $4, $5)

-- name: refresh_token
SELECT token_hash, session_id, issued_at, expires_at, used_at FROM refresh_tokens WHERE token_hash = $1

-- name: use_refresh_token
UPDATE refresh_tokens SET used_at = $2 WHERE token_hash = $1 AND used_at IS NULL

-- name: add_api_key
INSERT INTO api_keys (key_id, user_id, name, token_hash, hint, scopes, created_at, expires_at, used_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: api_key
SELECT key_id, user_id, name, token_hash, hint, scopes, created_at, expires_at, used_at FROM api_keys WHERE token_hash = $1

-- name: api_keys_of
SELECT key_id, user_id, name, token_hash, hint, scopes, created_at, expires_at, used_at FROM api_keys
WHERE user_id = $1 ORDER BY created_at DESC, key_id LIMIT 1000

-- name: touch_api_key
UPDATE api_keys SET used_at = $2 WHERE key_id = $1

-- name: drop_api_key
DELETE FROM api_keys WHERE user_id = $1 AND key_id = $2

-- name: add_invitation
INSERT INTO invitations (invitation_id, token_hash, role, email, invited_by, created_at, expires_at, used_at, used_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: invitation
SELECT invitation_id, token_hash, role, email, invited_by, created_at, expires_at, used_at, used_by FROM invitations
WHERE token_hash = $1

-- name: invitation_for
SELECT invitation_id, token_hash, role, email, invited_by, created_at, expires_at, used_at, used_by FROM invitations
WHERE email = $1 AND used_at IS NULL AND expires_at > $2 ORDER BY created_at LIMIT 1

-- name: invitations
SELECT invitation_id, token_hash, role, email, invited_by, created_at, expires_at, used_at, used_by FROM invitations
ORDER BY created_at DESC, invitation_id LIMIT 1000

-- name: drop_invitation
DELETE FROM invitations WHERE invitation_id = $1 AND used_at IS NULL

-- name: add_reset
INSERT INTO password_resets (user_id, token_hash, made_by, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (user_id) DO UPDATE SET token_hash = excluded.token_hash, made_by = excluded.made_by,
  created_at = excluded.created_at, expires_at = excluded.expires_at

-- name: reset
SELECT user_id, token_hash, made_by, created_at, expires_at FROM password_resets WHERE token_hash = $1

-- name: use_reset
DELETE FROM password_resets WHERE token_hash = $1 AND user_id = $2 AND expires_at > $3

-- name: drop_reset
DELETE FROM password_resets WHERE user_id = $1

-- name: drop_expired_resets
DELETE FROM password_resets WHERE expires_at <= $1

-- name: hold_admins
UPDATE accounts SET role = role WHERE role = 'admin'

-- name: drop_user
DELETE FROM accounts WHERE user_id = $1 AND (role <> 'admin' OR NOT active
  OR EXISTS (SELECT 1 FROM accounts o WHERE o.user_id <> $1 AND o.role = 'admin' AND o.active))

-- name: drop_sessions_of
DELETE FROM sessions WHERE user_id = $1

-- name: drop_tokens_of
DELETE FROM refresh_tokens WHERE session_id IN (SELECT session_id FROM sessions WHERE user_id = $1)

-- name: drop_keys_of
DELETE FROM api_keys WHERE user_id = $1

-- name: drop_resets_of
DELETE FROM password_resets WHERE user_id = $1 OR made_by = $1

-- name: drop_invitations_of
DELETE FROM invitations WHERE used_by = $1 OR (invited_by = $1 AND used_at IS NULL)

-- name: drop_transactions_of
DELETE FROM portfolio_transactions WHERE portfolio_id IN (SELECT portfolio_id FROM portfolios WHERE owner_id = $1)

-- name: drop_portfolios_of
DELETE FROM portfolios WHERE owner_id = $1

-- name: drop_watchlist_items_of
DELETE FROM watchlist_items WHERE watchlist_id IN (SELECT watchlist_id FROM watchlists WHERE owner_id = $1)

-- name: drop_watchlists_of
DELETE FROM watchlists WHERE owner_id = $1

-- name: drop_screens_of
DELETE FROM screens WHERE owner_id = $1

-- name: rules_of
SELECT rule_id, version, owner_id, expression, recover FROM alert_rules
WHERE rule_id IN (SELECT rule_id FROM alert_rules WHERE owner_id = $1) ORDER BY rule_id, version DESC

-- name: drop_rule_version
DELETE FROM alert_rules WHERE rule_id = $1 AND version = $2

-- name: hand_rules_over
UPDATE alert_rules SET owner_id = 'owner' WHERE owner_id = $1

-- name: redact_alert
UPDATE alerts SET trigger_value = $2, context = $3 WHERE alert_id = $1

-- name: append_audit
INSERT INTO audit_log (sequence, time, actor, action, subject, result, address, previous, digest)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (sequence) DO NOTHING

-- name: audit_before
SELECT sequence, time, actor, action, subject, result, address, previous, digest FROM audit_log
WHERE sequence < $1 ORDER BY sequence DESC LIMIT $2

-- name: audit_after
SELECT sequence, time, actor, action, subject, result, address, previous, digest FROM audit_log
WHERE sequence > $1 ORDER BY sequence LIMIT $2

-- name: deliveries
SELECT notification_id, alert_id, channel, kind, state, attempts, created_at, last_error, due_at, sent_at
FROM outbox
WHERE (CAST($1 AS text) IS NULL OR state = $1) AND (CAST($2 AS text) IS NULL OR channel = $2)
ORDER BY created_at DESC, notification_id DESC LIMIT $3

-- name: receipts
SELECT notification_id, alert_id, channel, kind, state, attempts, created_at, last_error, due_at, sent_at
FROM outbox WHERE alert_id = $1 ORDER BY created_at DESC, notification_id DESC LIMIT $2

-- name: portfolios
SELECT portfolio_id, owner_id, name, base_currency, cost_method, created_at, updated_at, version, deleted_at
FROM portfolios WHERE owner_id = $1 AND ($2 OR deleted_at IS NULL) ORDER BY created_at, portfolio_id

-- name: every_portfolio
SELECT portfolio_id, owner_id, name, base_currency, cost_method, created_at, updated_at, version, deleted_at
FROM portfolios WHERE deleted_at IS NULL ORDER BY owner_id, created_at, portfolio_id

-- name: portfolio
SELECT portfolio_id, owner_id, name, base_currency, cost_method, created_at, updated_at, version, deleted_at
FROM portfolios WHERE owner_id = $1 AND portfolio_id = $2

-- name: add_portfolio
INSERT INTO portfolios (portfolio_id, owner_id, name, name_key, base_currency, cost_method, created_at, updated_at, version,
  deleted_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING

-- name: change_portfolio
UPDATE portfolios SET name = $4, name_key = $5, updated_at = $6, deleted_at = $7, version = version + 1
WHERE owner_id = $1 AND portfolio_id = $2 AND version = $3 AND (CAST($7 AS timestamptz) IS NOT NULL OR NOT EXISTS (
  SELECT 1 FROM portfolios o WHERE o.owner_id = $1 AND o.portfolio_id <> $2 AND o.name_key = $5 AND o.deleted_at IS NULL))

-- name: touch_portfolio
UPDATE portfolios SET updated_at = $4, version = version + 1
WHERE owner_id = $1 AND portfolio_id = $2 AND version = $3 AND deleted_at IS NULL

-- name: portfolio_transactions
SELECT t.transaction_id, t.portfolio_id, t.kind, t.coin, t.quantity, t.time, t.price, t.currency, t.rate, t.fee, t.fee_currency,
  t.note, t.source, t.external_id, t.import_id, t.sequence, t.version
FROM portfolio_transactions t JOIN portfolios p ON p.portfolio_id = t.portfolio_id
WHERE p.owner_id = $1 AND p.portfolio_id = $2 ORDER BY t.time, t.sequence, t.transaction_id

-- name: put_transaction
INSERT INTO portfolio_transactions (transaction_id, portfolio_id, kind, coin, quantity, time, price, currency, rate, fee,
  fee_currency, note, source, external_id, import_id, sequence, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
ON CONFLICT (portfolio_id, transaction_id) DO UPDATE SET kind = excluded.kind, coin = excluded.coin,
  quantity = excluded.quantity, time = excluded.time, price = excluded.price, currency = excluded.currency,
  rate = excluded.rate, fee = excluded.fee, fee_currency = excluded.fee_currency, note = excluded.note,
  source = excluded.source, external_id = excluded.external_id, import_id = excluded.import_id,
  sequence = excluded.sequence, version = excluded.version

-- name: drop_transaction
DELETE FROM portfolio_transactions WHERE portfolio_id = $2 AND transaction_id = $3
  AND EXISTS (SELECT 1 FROM portfolios p WHERE p.portfolio_id = $2 AND p.owner_id = $1)

-- name: watchlists
SELECT watchlist_id, owner_id, name, position, version FROM watchlists WHERE owner_id = $1 ORDER BY position, watchlist_id

-- name: watchlist_items
SELECT i.watchlist_id, i.symbol, i.note FROM watchlist_items i JOIN watchlists w ON w.watchlist_id = i.watchlist_id
WHERE w.owner_id = $1 ORDER BY i.watchlist_id, i.position, i.symbol

-- name: add_watchlist
INSERT INTO watchlists (watchlist_id, owner_id, name, name_key, position, version) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING

-- name: change_watchlist
UPDATE watchlists SET name = $4, name_key = $5, position = $6, version = version + 1
WHERE owner_id = $1 AND watchlist_id = $2 AND version = $3 AND NOT EXISTS (
  SELECT 1 FROM watchlists o WHERE o.owner_id = $1 AND o.watchlist_id <> $2 AND o.name_key = $5)

-- name: drop_watchlist
DELETE FROM watchlists WHERE owner_id = $1 AND watchlist_id = $2

-- name: clear_watchlist
DELETE FROM watchlist_items WHERE watchlist_id = $2
  AND EXISTS (SELECT 1 FROM watchlists w WHERE w.watchlist_id = $2 AND w.owner_id = $1)

-- name: put_watchlist_item
INSERT INTO watchlist_items (watchlist_id, symbol, position, note) VALUES ($1, $2, $3, $4)

-- name: screens
SELECT screen_id, owner_id, name, filter, shown, watchlist_id, sort, direction, position, version, deleted_at FROM screens
WHERE owner_id = $1 AND deleted_at IS NULL ORDER BY position, screen_id

-- name: gone_screens
SELECT screen_id, owner_id, name, filter, shown, watchlist_id, sort, direction, position, version, deleted_at FROM screens
WHERE owner_id = $1 AND deleted_at IS NOT NULL ORDER BY deleted_at DESC, screen_id

-- name: recent_screens
SELECT screen_id, owner_id, name, filter, shown, watchlist_id, sort, direction, position, version, deleted_at FROM screens
WHERE deleted_at IS NULL ORDER BY used_at IS NULL, used_at DESC, screen_id LIMIT $1

-- name: touch_screen
UPDATE screens SET used_at = $3 WHERE owner_id = $1 AND screen_id = $2

-- name: add_screen
INSERT INTO screens (screen_id, owner_id, name, name_key, filter, shown, watchlist_id, sort, direction, position, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING

-- name: change_screen
UPDATE screens SET name = $4, name_key = $5, filter = $6, shown = $7, watchlist_id = $8, sort = $9, direction = $10,
  position = $11, deleted_at = $12, version = version + 1
WHERE owner_id = $1 AND screen_id = $2 AND version = $3 AND (CAST($12 AS timestamptz) IS NOT NULL OR NOT EXISTS (
  SELECT 1 FROM screens o WHERE o.owner_id = $1 AND o.screen_id <> $2 AND o.name_key = $5 AND o.deleted_at IS NULL))

-- name: drop_screen
DELETE FROM screens WHERE owner_id = $1 AND screen_id = $2
