-- Give the thing $id another name.
update things
set
    name = $name,
    version = version + 1
where id = $id;
