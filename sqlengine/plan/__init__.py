"""Planning: a lowered query and the catalog in, a physical plan (frozen data) out."""
