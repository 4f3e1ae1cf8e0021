-- Remove what the subject $subject keeps, in whatever role.
delete from things
where subject = $subject;
