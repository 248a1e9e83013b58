"""Running over archives: jobs that resume, follow, spread over machines, and tell what they did."""
