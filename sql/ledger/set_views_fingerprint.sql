-- Notes which SQL made the views.
update core.state
set views_fingerprint = $fingerprint;
