-- Every application login is a member of this group; it owns nothing and may not log in itself.
-- Roles belong to the cluster, not to the database: another database may be migrated at this moment.
do $$
begin
  if not exists (select from pg_roles where rolname = 'ensemble_app') then
    create role ensemble_app nologin;
  end if;
exception
  when duplicate_object or unique_violation then null;
end
$$;
