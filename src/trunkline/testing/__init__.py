"""Other ends, bad lines and virtual time: for Trunkline's tests, demonstrations and benchmarks, and for yours."""
