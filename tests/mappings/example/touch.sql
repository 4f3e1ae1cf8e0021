-- A change of a reaction that leaves its row as it is; only the moved message has a new version.
update app."Message" set "roomId" = 'room9'
where id = 'message60';
