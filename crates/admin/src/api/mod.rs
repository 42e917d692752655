//! The functions of the API, one noun a file.

use crate::route::Routes;

/// Adds every function to the table.
#[must_use]
pub fn all(routes: Routes) -> Routes {
    routes
}
