-- Drops the column that only the proof needs: from here on staged rows have the columns of a day file.
alter table staging.fact drop column is_new;
