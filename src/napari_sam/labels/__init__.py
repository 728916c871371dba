"""The way from masks to reversible edits of a label array: collision policy, ids."""
