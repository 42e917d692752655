//! What the store keeps, seen through its public surface.

mod journal;
mod objects;
mod objects_hostile;
mod objects_secrets;
