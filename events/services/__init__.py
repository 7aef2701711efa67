"""What may happen to nights: `seats` are taken and given back, nights are planned, and take their course."""
