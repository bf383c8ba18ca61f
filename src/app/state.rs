//! The one object pages, API and command line talk to.

use super::{
    AppError, Board, Claims, DiskSettings, Text, Timetable, Wish, admin::Results,
    cleanup::Cleaning, compress::Press, errand::Errands, inventory::Inventory, live::Lively,
};
use crate::{
    accounts::{Hasher, Throttle},
    domain::{Actor, Bounds, Timestamp, UserName, Verbs, retention::Policy},
    files::DataDir,
    plugin::Catalog,
    store::Store,
};
use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::mpsc;

/// The name under which somebody on the box itself acts through the local socket.
pub const CONSOLE: &str = "console";

/// A sentence that is found out when somebody asks.
#[derive(Clone)]
pub struct Told(Arc<dyn Fn() -> String + Send + Sync>);

impl Told {
    /// One that `ask` finds out.
    pub fn new(ask: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(ask))
    }

    /// The sentence as it is now.
    pub fn ask(&self) -> String {
        (self.0)()
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

/// What of the configuration the appliance itself needs, as it is given. What may change while the
/// service runs is asked of [`App::live`] instead.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes a definition may have.
    pub definition_limit: u64,
    /// Idle end of a session.
    pub session_idle: Duration,
    /// Absolute end of a session.
    pub session_absolute: Duration,
    /// How long after the first start the first sign-in is open.
    pub first_login: Duration,
    /// Host names it answers to, besides the sites in the store.
    pub hosts: Vec<String>,
    /// What confines builds, for the health page. Asking may take a moment.
    pub sandbox: Told,
    /// What a build may use.
    pub bounds: Bounds,
    /// Jobs that may build at once, for the health page.
    pub slots: u32,
    /// What decides which jobs may start.
    pub disk: DiskSettings,
    /// When the service started.
    pub started: Timestamp,
    /// What the last run had left behind, one sentence each.
    pub swept: Vec<String>,
    /// When chores are due, as config.toml says.
    pub timetable: Timetable,
    /// What is kept for how long.
    pub retention: Policy,
    /// How long audit lines are kept; `None`: for ever.
    pub audit_kept: Option<Duration>,
    /// Bytes all runner caches may have together.
    pub cache_budget: u64,
}

/// What the appliance is made of.
pub struct Parts {
    /// What outlives the process.
    pub store: Store,
    /// Where files lie.
    pub data: Arc<DataDir>,
    /// The runners.
    pub catalog: Arc<Catalog>,
    /// What of the configuration the appliance needs.
    pub settings: Settings,
}

struct Inner {
    parts: Parts,
    board: Arc<Board>,
    wishes: mpsc::UnboundedSender<Wish>,
    hasher: Hasher,
    throttle: Mutex<Throttle>,
    press: Press,
    console: UserName,
    errands: Errands,
    claims: Claims,
    inventory: Inventory,
    cleaning: Cleaning,
    results: Results,
    lively: Lively,
}

/// The appliance. Cheap to clone.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

/// Where a request came from, for the audit trail and the throttle.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// The address; `None` on the local socket.
    pub addr: Option<IpAddr>,
    /// The browser, shortened.
    pub agent: String,
    /// The request's reference, as pages and the log name it; empty without one.
    pub request: String,
}

impl Peer {
    /// The address for people.
    pub fn shown(&self) -> String {
        self.addr.map_or_else(|| "local socket".into(), |addr| addr.to_string())
    }

    /// True if the request came from this box.
    pub fn is_local(&self) -> bool {
        self.addr.is_none_or(|addr| addr.is_loopback())
    }
}

impl App {
    /// The appliance over its parts, and the wishes the dispatcher has to make true.
    ///
    /// # Errors
    /// Never in practice: only if the built-in name of the console were no name.
    pub fn new(parts: Parts) -> Result<(Self, mpsc::UnboundedReceiver<Wish>), AppError> {
        let (wishes, receiver) = mpsc::unbounded_channel();
        let board = Arc::new(Board::new(parts.settings.disk.clone()));
        let lively = Lively::new(&parts.settings);
        let inner = Inner {
            parts,
            board,
            wishes,
            hasher: Hasher::default(),
            throttle: Mutex::default(),
            press: Press::default(),
            console: UserName::new(CONSOLE)?,
            errands: Errands::default(),
            claims: Claims::default(),
            inventory: Inventory::default(),
            cleaning: Cleaning::default(),
            results: Results::default(),
            lively,
        };
        let app = Self { inner: Arc::new(inner) };
        app.refresh_live();
        Ok((app, receiver))
    }

    /// Whoever speaks through the local socket as root or as the service's own user.
    pub fn console(&self) -> Actor {
        Actor {
            user: self.inner.console.clone(),
            verbs: Verbs::all(),
            staff: true,
            superuser: true,
        }
    }

    /// The name in the header of every page, and the host names it answers to.
    pub fn site(&self) -> (Text, Vec<String>) {
        let sites = self.store().sites().unwrap_or_default();
        let name = sites.first().map_or("IMG", |site| site.display_name.as_str());
        let mut hosts: Vec<_> = sites.iter().map(|site| site.domain.clone()).collect();
        hosts.extend(self.inner.parts.settings.hosts.iter().cloned());
        (name.into(), hosts)
    }

    /// The store; for this module and the scheduler.
    pub fn store(&self) -> &Store {
        &self.inner.parts.store
    }

    /// The data directory; for this module and the scheduler.
    pub fn data(&self) -> &Arc<DataDir> {
        &self.inner.parts.data
    }

    /// The runners; for this module and the scheduler.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.inner.parts.catalog
    }

    /// The live board; for this module and the scheduler.
    pub fn board(&self) -> &Arc<Board> {
        &self.inner.board
    }

    pub(super) fn lively(&self) -> &Lively {
        &self.inner.lively
    }

    /// What of the configuration the appliance needs, as it is given.
    pub fn settings(&self) -> &Settings {
        &self.inner.parts.settings
    }

    pub(super) fn hasher(&self) -> &Hasher {
        &self.inner.hasher
    }

    /// Who uses which files.
    pub fn claims(&self) -> &Claims {
        &self.inner.claims
    }

    pub(super) fn inventory(&self) -> &Inventory {
        &self.inner.inventory
    }

    pub(super) fn cleaning(&self) -> &Cleaning {
        &self.inner.cleaning
    }

    pub(super) fn results(&self) -> &Results {
        &self.inner.results
    }

    pub(super) fn errands(&self) -> &Errands {
        &self.inner.errands
    }

    pub(super) fn press(&self) -> &Press {
        &self.inner.press
    }

    /// This appliance, if it is still there when it is needed.
    pub(super) fn weak(&self) -> impl Fn() -> Option<Self> + Send + 'static {
        let weak = Arc::downgrade(&self.inner);
        move || weak.upgrade().map(|inner| Self { inner })
    }

    pub(super) fn throttle(&self) -> &Mutex<Throttle> {
        &self.inner.throttle
    }

    /// Hands a wish to the dispatcher.
    ///
    /// # Errors
    /// When the service is stopping.
    pub fn wish(&self, wish: Wish) -> Result<(), AppError> {
        self.inner.wishes.send(wish).map_err(|_| AppError::stopping())
    }
}
