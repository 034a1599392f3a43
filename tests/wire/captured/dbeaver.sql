-- Written by hand after what DBeaver is known to send: it was not run.

-- statement
SET application_name = 'DBeaver 25.1.5 - Main <postgres>';

-- statement
SELECT current_schema(),session_user;

-- statement
SHOW search_path;

-- statement
SELECT n.oid,n.*,d.description FROM pg_catalog.pg_namespace n LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=n.oid AND d.objsubid=0 AND d.classoid='pg_namespace'::regclass ORDER BY nspname;

-- statement
SELECT db.oid,db.* FROM pg_catalog.pg_database db WHERE datname='sqlengine';

-- statement
SELECT * FROM pg_catalog.pg_settings where name='standard_conforming_strings';

-- statement
SELECT version();

-- statement
SELECT * FROM pg_catalog.pg_enum WHERE 1<>1 LIMIT 1;

-- statement
SELECT reltype FROM pg_catalog.pg_class WHERE 1<>1 LIMIT 1;

-- statement
SELECT t.oid,t.*,c.relkind,format_type(nullif(t.typbasetype, 0), t.typtypmod) as base_type_name, d.description FROM pg_catalog.pg_type t LEFT OUTER JOIN pg_catalog.pg_type et ON et.oid=t.typelem LEFT OUTER JOIN pg_catalog.pg_class c ON c.oid=t.typrelid LEFT OUTER JOIN pg_catalog.pg_description d ON t.oid=d.objoid WHERE t.typname IS NOT NULL AND (c.relkind IS NULL OR c.relkind = 'c') AND (et.typcategory IS NULL OR et.typcategory <> 'C');

-- statement
SELECT c.oid,c.*,d.description,pg_catalog.pg_get_expr(c.relpartbound, c.oid) as partition_expr,  pg_catalog.pg_get_partkeydef(c.oid) as partition_key FROM pg_catalog.pg_class c LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=c.oid AND d.objsubid=0 AND d.classoid='pg_class'::regclass WHERE c.relnamespace=2200 AND c.relkind not in ('i','I','c');

-- statement
SELECT c.relname,a.*,pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) as def_value,dsc.description,dep.objid FROM pg_catalog.pg_attribute a INNER JOIN pg_catalog.pg_class c ON (a.attrelid=c.oid) LEFT OUTER JOIN pg_catalog.pg_attrdef ad ON (a.attrelid=ad.adrelid AND a.attnum = ad.adnum) LEFT OUTER JOIN pg_catalog.pg_description dsc ON (c.oid=dsc.objoid AND a.attnum = dsc.objsubid) LEFT OUTER JOIN pg_depend dep on dep.refobjid = a.attrelid AND dep.deptype = 'i' and dep.refobjsubid = a.attnum and dep.classid = dep.refclassid WHERE NOT a.attisdropped AND c.relkind not in ('i','I','c') AND c.oid='customers'::regclass ORDER BY a.attnum;

-- statement
SELECT c.oid,c.*,t.relname as tabrelname,rt.relnamespace as refnamespace,d.description, case when c.contype='c' then "substring"(pg_get_constraintdef(c.oid), 7) else null end consrc_copy FROM pg_catalog.pg_constraint c INNER JOIN pg_catalog.pg_class t ON t.oid=c.conrelid LEFT OUTER JOIN pg_catalog.pg_class rt ON rt.oid=c.confrelid LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=c.oid AND d.objsubid=0 AND d.classoid='pg_constraint'::regclass WHERE c.conrelid='customers'::regclass ORDER BY c.oid;

-- statement
SELECT i.*,i.indkey as keys,c.relname,c.relnamespace,c.relam,c.reltablespace,tc.relname as tabrelname,dsc.description,pg_catalog.pg_get_expr(i.indpred, i.indrelid) as pred_expr,pg_catalog.pg_get_expr(i.indexprs, i.indrelid, true) as expr,pg_catalog.pg_relation_size(i.indexrelid) as index_rel_size,pg_catalog.pg_stat_get_numscans(i.indexrelid) as index_num_scans FROM pg_catalog.pg_index i INNER JOIN pg_catalog.pg_class c ON c.oid=i.indexrelid INNER JOIN pg_catalog.pg_class tc ON tc.oid=i.indrelid LEFT OUTER JOIN pg_catalog.pg_description dsc ON i.indexrelid=dsc.objoid WHERE i.indrelid='customers'::regclass ORDER BY tabrelname, c.relname;

-- statement
SELECT x.oid,x.*,d.description FROM pg_catalog.pg_trigger x LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=x.oid AND d.objsubid=0 WHERE x.tgrelid='customers'::regclass AND NOT x.tgisinternal;

-- statement
SELECT DISTINCT dep.deptype, dep.classid, dep.objid, cl.relkind, attr.attname,pg_get_expr(ad.adbin, ad.adrelid) adefval, CASE WHEN cl.relkind IS NOT NULL THEN CASE WHEN dep.objsubid > 0 THEN 'c' ELSE cl.relkind END || COALESCE(dep.objsubid::text, '') ELSE '' END AS type FROM pg_depend dep LEFT JOIN pg_class cl ON dep.objid=cl.oid LEFT JOIN pg_attribute attr ON dep.objid=attr.attrelid and dep.objsubid=attr.attnum LEFT JOIN pg_attrdef ad ON ad.oid=dep.objid WHERE dep.refobjid='orders'::regclass ORDER BY dep.objid;

-- statement
SELECT p.oid as poid,p.*,pg_catalog.pg_get_expr(p.proargdefaults, 0) as arg_defaults,d.description FROM pg_catalog.pg_proc p LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=p.oid WHERE p.pronamespace=2200 ORDER BY p.proname;

-- statement
SELECT sa.* FROM pg_catalog.pg_stat_activity sa;

-- statement
SELECT s.*, pg_catalog.pg_total_relation_size(s.relid) as total_rel_size,pg_catalog.pg_relation_size(s.relid) as rel_size FROM pg_catalog.pg_stat_all_tables s WHERE s.schemaname='public';

-- statement
SELECT a.oid,a.* FROM pg_catalog.pg_roles a ORDER BY a.rolname;

-- statement
SELECT l.oid,l.* FROM pg_catalog.pg_language l ORDER BY l.oid;

-- statement
SELECT am.oid,am.* FROM pg_catalog.pg_am am ORDER BY am.oid;

-- statement
SELECT e.oid,e.extname,e.extversion,n.nspname FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid=e.extnamespace;

-- statement
SELECT oid,* FROM pg_catalog.pg_tablespace ORDER BY oid;

-- statement
SELECT c.oid,c.* FROM pg_catalog.pg_collation c WHERE c.collnamespace=11 ORDER BY c.oid;

-- statement
SELECT pg_catalog.pg_get_viewdef('big_orders'::regclass, true);

-- statement
SELECT pg_catalog.has_table_privilege('customers'::regclass, 'SELECT');

