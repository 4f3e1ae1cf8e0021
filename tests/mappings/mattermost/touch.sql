-- Changes of posts and reactions that leave their own rows as they are; only a moved post has a new version.
insert into fileinfo values ('late', 'post81', 0, 'image/png'), ('later', 'post82', 0, 'text/plain');

update posts set channelid = 'channel9'
where id = 'post85';
