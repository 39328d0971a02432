." this door code has 32 characters"
