//! The one thing a guest may say outside its answers, and the panic hook that uses it: without WASI
//! a panic's text would be lost.

use std::sync::Once;

pub use crate::bindings::img::runner::host::Level;

/// Says something in the host's log. Natively it goes to standard error.
pub fn log(level: Level, message: &str) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::img::runner::host::log(level, message);
    #[cfg(not(target_arch = "wasm32"))]
    eprintln!("{level:?}: {message}");
}

/// Makes every later panic say its text and place in the host's log.
pub(crate) fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if cfg!(target_arch = "wasm32") {
            std::panic::set_hook(Box::new(|panic| log(Level::Error, &panic.to_string())));
        }
    });
}
