{% snapshot kept %}
{{ config(target_schema='shop', unique_key='code', strategy='check', check_cols=['people']) }}
select code, people from {{ ref('countries') }}
{% endsnapshot %}
