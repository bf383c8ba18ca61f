//! IMG, the image-building appliance. ARCHITECTURE.md is the map; the walls between the modules
//! below are held by `tests/architecture.rs`.

pub mod domain;
