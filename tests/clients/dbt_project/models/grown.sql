{{ config(materialized='incremental', unique_key='code') }}
select code, people from {{ ref('countries') }}
{% if is_incremental() %} where people > (select min(people) from {{ this }}) {% endif %}
