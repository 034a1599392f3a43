{{ config(materialized='materialized_view') }}
select length(code) as letters, count(*) as countries, sum(people) as people
from {{ ref('countries') }}
group by length(code)
