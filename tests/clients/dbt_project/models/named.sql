select code, name, people from {{ ref('countries') }} where name is not null
