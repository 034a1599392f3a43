"""What Hive's statements do: databases, tables over files, their partitions, rows written into them."""
