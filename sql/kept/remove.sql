-- Remove the thing $id.
delete from things
where id = $id;
