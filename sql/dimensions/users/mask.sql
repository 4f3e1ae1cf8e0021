-- Puts $pseudonym in the place of the user $user_id and forgets the name; the key stays, and with it
-- every total.
update core.dim_users
set
    user_id = $pseudonym,
    username = null
where user_id = $user_id;
