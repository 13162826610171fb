"""What a plant keeps: products, photos, inspections and a log of all of it, in one database."""
