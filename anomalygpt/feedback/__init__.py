"""What people say of inspections, what follows of it for a product, and taking that back."""
