//! Images on this machine.

use model::Locator;

use crate::{ImageSource, Options, RegistryError};

/// Opens a local place.
pub(crate) fn open(locator: &Locator, options: &Options) -> Result<Box<dyn ImageSource>, RegistryError> {
    let _ = options;
    Err(RegistryError::Invalid { what: locator.to_string(), detail: "this place cannot be read yet".to_owned() })
}
