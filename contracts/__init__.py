"""What services may know of each other: message types, envelope, frames, internal HTTP, topology. Nothing else."""
