-- statement
BEGIN;

-- statement
select 1 as id;

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "connection_name": "list_sqlengine"} */

    select distinct nspname from pg_namespace;

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "connection_name": "create_sqlengine_shop"} */
create schema if not exists "shop";

-- statement
COMMIT;

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "connection_name": "list_sqlengine_shop"} */
select
      'sqlengine' as database,
      tablename as name,
      schemaname as schema,
      'table' as type
    from pg_tables
    where schemaname ilike 'shop'
    union all
    select
      'sqlengine' as database,
      viewname as name,
      schemaname as schema,
      'view' as type
    from pg_views
    where schemaname ilike 'shop'
    union all
    select
      'sqlengine' as database,
      matviewname as name,
      schemaname as schema,
      'materialized_view' as type
    from pg_matviews
    where schemaname ilike 'shop';

-- statement
ROLLBACK;

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "connection_name": "master"} */
select distinct
        dependent_namespace.nspname as dependent_schema,
        dependent_class.relname as dependent_name,
        referenced_namespace.nspname as referenced_schema,
        referenced_class.relname as referenced_name

    -- Query for views: views are entries in pg_class with an entry in pg_rewrite, but we avoid
    -- a seq scan on pg_rewrite by leveraging the fact there is an "internal" row in pg_depend for
    -- the view...
    from pg_class as dependent_class
    join pg_namespace as dependent_namespace on dependent_namespace.oid = dependent_class.relnamespace
    join pg_depend as dependent_depend on dependent_depend.refobjid = dependent_class.oid
        and dependent_depend.classid = 'pg_rewrite'::regclass
        and dependent_depend.refclassid = 'pg_class'::regclass
        and dependent_depend.deptype = 'i'

    -- ... and via pg_depend (that has a row per column, hence the need for "distinct" above, and
    -- making sure to exclude the internal row to avoid a view appearing to depend on itself)...
    join pg_depend as joining_depend on joining_depend.objid = dependent_depend.objid
        and joining_depend.classid = 'pg_rewrite'::regclass
        and joining_depend.refclassid = 'pg_class'::regclass
        and joining_depend.refobjid != dependent_depend.refobjid

    -- ... we can find the tables they query from in pg_class, but excluding system tables. Note we
    -- don't need need to exclude _dependent_ system tables, because they only query from other
    -- system tables, and so are automatically excluded by excluding _referenced_ system tables
    join pg_class as referenced_class on referenced_class.oid = joining_depend.refobjid
    join pg_namespace as referenced_namespace on referenced_namespace.oid = referenced_class.relnamespace
        and referenced_namespace.nspname != 'information_schema'
        and referenced_namespace.nspname not like 'pg\_%'

    order by
        dependent_schema, dependent_name, referenced_schema, referenced_name;

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "node_id": "seed.shop.people"} */

    create table "sqlengine"."shop"."people" ("id" integer,"name" text);

-- statement
insert into "sqlengine"."shop"."people" ("id", "name") values
          (1,'Ada'),(2,'Bo');

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "node_id": "model.shop.inc"} */

      
  
    

  create  table "sqlengine"."shop"."inc"
  
  
    as
  
  (
     select id, name from "sqlengine"."shop"."people"
  );

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "node_id": "model.shop.mv"} */

        
    create materialized view if not exists "sqlengine"."shop"."mv" as  select id from "sqlengine"."shop"."people";

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "node_id": "model.shop.mv"} */
drop materialized view if exists "sqlengine"."shop"."mv__dbt_backup" cascade;

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "node_id": "model.shop.mv"} */
drop materialized view if exists "sqlengine"."shop"."mv__dbt_tmp" cascade;

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "node_id": "model.shop.v"} */

  create view "sqlengine"."shop"."v__dbt_tmp"
    
    
  as (
    select id, name from "sqlengine"."shop"."people"
  );

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "node_id": "model.shop.v"} */
alter table "sqlengine"."shop"."v__dbt_tmp" rename to "v";

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "node_id": "model.shop.v"} */
drop view if exists "sqlengine"."shop"."v__dbt_backup" cascade;

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "node_id": "model.shop.t"} */

  
    

  create  table "sqlengine"."shop"."t__dbt_tmp"
  
  
    as
  
  (
     select id, count(*) n from "sqlengine"."shop"."v" group by id
  );

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "node_id": "model.shop.t"} */
alter table "sqlengine"."shop"."t__dbt_tmp" rename to "t";

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "node_id": "model.shop.t"} */
drop table if exists "sqlengine"."shop"."t__dbt_backup" cascade;

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "node_id": "model.shop.inc"} */

    
  
    

  create temporary table "inc__dbt_tmp010334666327"
  
  
    as
  
  (
     select id, name from "sqlengine"."shop"."people"
  );

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "node_id": "model.shop.inc"} */

      select
          column_name,
          data_type,
          character_maximum_length,
          numeric_precision,
          numeric_scale

      from INFORMATION_SCHEMA.columns
      where table_name = 'inc__dbt_tmp010334666327'
        
      order by ordinal_position;

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "node_id": "model.shop.inc"} */

      select
          column_name,
          data_type,
          character_maximum_length,
          numeric_precision,
          numeric_scale

      from "sqlengine".INFORMATION_SCHEMA.columns
      where table_name = 'inc'
        
        and table_schema = 'shop'
        
      order by ordinal_position;

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "node_id": "model.shop.inc"} */

      
        
        
        delete from "sqlengine"."shop"."inc" as DBT_INTERNAL_DEST
        where (id) in (
            select distinct id
            from "inc__dbt_tmp010334666327" as DBT_INTERNAL_SOURCE
        );

    

    insert into "sqlengine"."shop"."inc" ("id", "name")
    (
        select "id", "name"
        from "inc__dbt_tmp010334666327"
    );

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "node_id": "model.shop.mv"} */

    
    select
        i.relname                                   as name,
        m.amname                                    as method,
        ix.indisunique                              as "unique",
        array_to_string(array_agg(a.attname), ',')  as column_names
    from pg_index ix
    join pg_class i
        on i.oid = ix.indexrelid
    join pg_am m
        on m.oid=i.relam
    join pg_class t
        on t.oid = ix.indrelid
    join pg_namespace n
        on n.oid = t.relnamespace
    join pg_attribute a
        on a.attrelid = t.oid
        and a.attnum = ANY(ix.indkey)
    where t.relname = 'mv'
      and n.nspname = 'shop'
      and t.relkind in ('r', 'm')
    group by 1, 2, 3
    order by 1, 2, 3;

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "node_id": "model.shop.mv"} */

        
    refresh materialized view "sqlengine"."shop"."mv";

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "node_id": "model.shop.v"} */
alter table "sqlengine"."shop"."v" rename to "v__dbt_backup";

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "node_id": "model.shop.t"} */
alter table "sqlengine"."shop"."t" rename to "t__dbt_backup";

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "node_id": "test.shop.not_null_v_id.7fff0ffecc"} */

    
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
      
    
  
    
    



select id
from "sqlengine"."shop"."v"
where id is null



  
  
      
    ) dbt_internal_test;

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "node_id": "test.shop.unique_v_id.c86d08caa1"} */

    
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
      
    
  
    
    

select
    id as unique_field,
    count(*) as n_records

from "sqlengine"."shop"."v"
where id is not null
group by id
having count(*) > 1



  
  
      
    ) dbt_internal_test;

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "connection_name": "sqlengine.information_schema"} */

    
    

    select
        'sqlengine' as table_database,
        sch.nspname as table_schema,
        tbl.relname as table_name,
        case tbl.relkind
            when 'v' then 'VIEW'
            when 'm' then 'MATERIALIZED VIEW'
            else 'BASE TABLE'
        end as table_type,
        tbl_desc.description as table_comment,
        col.attname as column_name,
        col.attnum as column_index,
        pg_catalog.format_type(col.atttypid, col.atttypmod) as column_type,
        col_desc.description as column_comment,
        pg_get_userbyid(tbl.relowner) as table_owner

    from pg_catalog.pg_namespace sch
    join pg_catalog.pg_class tbl on tbl.relnamespace = sch.oid
    join pg_catalog.pg_attribute col on col.attrelid = tbl.oid
    left outer join pg_catalog.pg_description tbl_desc on (tbl_desc.objoid = tbl.oid and tbl_desc.objsubid = 0)
    left outer join pg_catalog.pg_description col_desc on (col_desc.objoid = tbl.oid and col_desc.objsubid = col.attnum)
    where ((upper(sch.nspname) = upper('shop') and
           upper(tbl.relname) = upper('mv')) or (upper(sch.nspname) = upper('shop') and
           upper(tbl.relname) = upper('people')) or (upper(sch.nspname) = upper('shop') and
           upper(tbl.relname) = upper('v')) or (upper(sch.nspname) = upper('shop') and
           upper(tbl.relname) = upper('inc')) or (upper(sch.nspname) = upper('shop') and
           upper(tbl.relname) = upper('t')))
      and not pg_is_other_temp_schema(sch.oid) -- not a temporary schema belonging to another session
      and tbl.relpersistence in ('p', 'u') -- [p]ermanent table or [u]nlogged table. Exclude [t]emporary tables
      and tbl.relkind in ('r', 'v', 'f', 'p', 'm') -- o[r]dinary table, [v]iew, [f]oreign table, [p]artitioned table, [m]aterialized view. Other values are [i]ndex, [S]equence, [c]omposite type, [t]OAST table
      and col.attnum > 0 -- negative numbers are used for system columns such as oid
      and not col.attisdropped -- column as not been dropped

    order by
        sch.nspname,
        tbl.relname,
        col.attnum;

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "node_id": "model.shop.inc"} */

      
  
    

  create  table "sqlengine"."shop"."inc__dbt_tmp"
  
  
    as
  
  (
     select id, name from "sqlengine"."shop"."people"
  );

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "node_id": "model.shop.inc"} */
alter table "sqlengine"."shop"."inc" rename to "inc__dbt_backup";

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "node_id": "model.shop.inc"} */
alter table "sqlengine"."shop"."inc__dbt_tmp" rename to "inc";

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "node_id": "model.shop.inc"} */
drop table if exists "sqlengine"."shop"."inc__dbt_backup" cascade;

-- statement
/* {"app": "dbt", "dbt_version": "1.10.23", "profile_name": "shop", "target_name": "dev", "node_id": "model.shop.mv"} */

        

    

    

    drop materialized view if exists "sqlengine"."shop"."mv" cascade;
        
    create materialized view if not exists "sqlengine"."shop"."mv" as  select id from "sqlengine"."shop"."people";

