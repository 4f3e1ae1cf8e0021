-- Records what this file is; one row.
delete from core.state;

insert into core.state
values (
    $format, $schema_fingerprint, $views_fingerprint, $tzdata_version, $system_identifier, $timeline, $database_name,
    $mapping, $user_ids, $conversation_ids, $message_ids, $event_ids, cast($inexact as varchar[]),
    $row_security, cast($first_days as date[]), cast($last_days as date[]),
    $changed_in_batch, $generation, $generated_at,
    $feed_mode, $feed_identity, $feed_ready_at, $feed_position, $fresh_bytes, $fresh_rows
);
