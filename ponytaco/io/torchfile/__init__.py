"""Reading files of torch without running what is in them."""
