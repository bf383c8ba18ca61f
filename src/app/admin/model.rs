//! The words a model is described with.

use super::{
    change::{Dependant, Writing},
    value::{Object, Value},
};
use crate::{
    app::{App, AppError, BulkAction, Problem},
    domain::{Actor, Denied, Verb},
    store::StoreError,
};
use std::collections::BTreeMap;

/// A kind of thing that is administered.
#[derive(Debug)]
pub struct Model {
    /// Its word in addresses and in the table of routes.
    pub id: &'static str,
    /// One of them: "queue".
    pub one: &'static str,
    /// Many of them, as a title: "Queues".
    pub many: &'static str,
    /// What they are for, one sentence.
    pub about: &'static str,
    /// Where it stands on the index.
    pub section: Section,
    /// Who may do what.
    pub rights: Rights,
    /// What a list shows; the first is the way to the thing.
    pub columns: &'static [Column],
    /// What a list can be narrowed by.
    pub filters: &'static [Filter],
    /// The cells a search looks into; none: no search.
    pub search: &'static [&'static str],
    /// The column that orders a list at first, and whether the greatest comes first.
    pub order: (&'static str, bool),
    /// Lists can be narrowed by year, month and day.
    pub dated: bool,
    /// The fields of its form.
    pub fieldsets: &'static [Fieldset],
    /// What can be done to several at once.
    pub actions: &'static [Action],
    /// Where its things come from.
    pub source: Source,
    /// How they are changed; `None`: they are only looked at.
    pub edit: Option<Edit>,
    /// What an audit line calls one of them: "queue web"; empty: the line names it otherwise.
    pub object: &'static str,
}

/// A part of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// What builds.
    App,
    /// Who may.
    Auth,
    /// Under which names.
    Sites,
    /// The box itself.
    System,
}

impl Section {
    /// Every section, in the order of the index.
    pub const ALL: [Self; 4] = [Self::App, Self::Auth, Self::Sites, Self::System];

    /// For people.
    pub fn label(self) -> &'static str {
        match self {
            Self::App => "App",
            Self::Auth => "Auth",
            Self::Sites => "Sites",
            Self::System => "System",
        }
    }
}

/// Who may do what to a model; `None`: nobody, it cannot be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// See its things.
    pub view: Verb,
    /// Make one.
    pub add: Option<Verb>,
    /// Change one.
    pub change: Option<Verb>,
    /// Delete one.
    pub delete: Option<Verb>,
}

impl Rights {
    /// Things that are only looked at.
    pub const fn view(view: Verb) -> Self {
        Self { view, add: None, change: None, delete: None }
    }
}

/// A column of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// The cell it shows.
    pub id: &'static str,
    /// For people.
    pub label: &'static str,
    /// Lists can be ordered by it.
    pub sort: bool,
    /// Numbers, which stand to the right.
    pub right: bool,
}

impl Column {
    /// A column that lists can be ordered by.
    pub const fn new(id: &'static str, label: &'static str) -> Self {
        Self { id, label, sort: true, right: false }
    }

    /// A column with numbers.
    pub const fn number(id: &'static str, label: &'static str) -> Self {
        Self { id, label, sort: true, right: true }
    }

    /// A column that lists cannot be ordered by.
    pub const fn plain(id: &'static str, label: &'static str) -> Self {
        Self { id, label, sort: false, right: false }
    }
}

/// Something a list can be narrowed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The cell it looks at, and its name in addresses.
    pub id: &'static str,
    /// For people.
    pub label: &'static str,
}

/// Fields of a form that belong together.
#[derive(Debug)]
pub struct Fieldset {
    /// Their title.
    pub title: &'static str,
    /// The fields.
    pub fields: &'static [Field],
}

/// A field of a form.
#[derive(Debug)]
pub struct Field {
    /// Its name, and the cell it changes.
    pub id: &'static str,
    /// For people.
    pub label: &'static str,
    /// What it is for, in a sentence or two.
    pub help: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Must be filled in.
    pub required: bool,
    /// On which form it can be filled in; on the other it is not there, or only shown.
    pub on: On,
}

impl Field {
    /// A field that may be left empty.
    pub const fn new(
        id: &'static str,
        label: &'static str,
        kind: Kind,
        help: &'static str,
    ) -> Self {
        Self { id, label, help, kind, required: false, on: On::Both }
    }

    /// A field that must be filled in.
    pub const fn required(
        id: &'static str,
        label: &'static str,
        kind: Kind,
        help: &'static str,
    ) -> Self {
        Self { id, label, help, kind, required: true, on: On::Both }
    }

    /// Only on one of the forms.
    #[must_use]
    pub const fn only(mut self, on: On) -> Self {
        self.on = on;
        self
    }

    /// What is only shown.
    pub const fn shown(id: &'static str, label: &'static str) -> Self {
        Self { id, label, help: "", kind: Kind::Shown, required: false, on: On::Change }
    }
}

/// On which form a field can be filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// On both.
    Both,
    /// When the thing is made; later it is shown.
    Add,
    /// When it is changed; not there before.
    Change,
}

/// What a choice offers: values with their labels, as they are now.
pub type Offers = fn(&App) -> Result<Vec<(String, String)>, AppError>;

/// What a field takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// One line; most characters.
    Text(usize),
    /// Several lines; most characters.
    Lines(usize),
    /// Words between blanks or commas, each with this grammar; most words.
    Words(fn(&str) -> Result<String, String>, usize),
    /// A whole number; least and most.
    Number(i64, i64),
    /// Yes or no.
    Check,
    /// A span of time, such as "6h".
    Span,
    /// A size, such as "8GiB".
    Size,
    /// How long something is kept: a span, or "forever".
    Keep,
    /// One of several.
    One(Offers),
    /// Any of several.
    Any(Offers),
    /// Permissions.
    Grants,
    /// Nothing: it is only shown.
    Shown,
}

/// What can be done to several things at once.
#[derive(Debug)]
pub struct Action {
    /// Its word in the form.
    pub id: &'static str,
    /// For people, as Django says it: "Delete selected queues".
    pub label: &'static str,
    /// Who may.
    pub verb: Verb,
    /// What has to be said with it.
    pub argument: Option<Argument>,
    /// How it is done.
    pub act: Act,
}

/// What has to be said with an action.
#[derive(Clone, Copy, Debug)]
pub enum Argument {
    /// A line of text: its label and most characters.
    Text(&'static str, usize),
    /// One of several: its label, and what is offered.
    One(&'static str, Offers),
}

impl Argument {
    /// For people.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Text(label, _) | Self::One(label, _) => label,
        }
    }
}

/// How an action is done.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// A page asks first, then every one is deleted by the model's own rule.
    Delete,
    /// A page asks first, then the files of the jobs are deleted beside everything else.
    DeleteJobs,
    /// Something for jobs; the argument is given as text.
    Jobs(fn(&str) -> Result<BulkAction, Problem>),
    /// Each is changed in one transaction with the others; the argument is given as text.
    Each(fn(&mut Writing<'_, '_>, &str, &str) -> Result<(), Refusal>),
}

/// Where things come from.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// All of them at once: there are never very many.
    All(fn(&App, &Actor) -> Result<Vec<Object>, AppError>),
    /// The jobs, a page at a time.
    Jobs,
    /// The audit trail, a page at a time.
    Audit,
}

/// What a model's form has to say: every field's value, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values(pub BTreeMap<&'static str, Value>);

impl Values {
    /// The value of a field.
    pub fn get(&self, id: &str) -> &Value {
        self.0.get(id).unwrap_or(&Value::Nothing)
    }

    /// A text; empty when nothing was given.
    pub fn text(&self, id: &str) -> String {
        self.get(id).text()
    }

    /// Several words.
    pub fn words(&self, id: &str) -> Vec<String> {
        match self.get(id) {
            Value::Words(words) => words.clone(),
            _ => Vec::new(),
        }
    }

    /// Yes or no.
    pub fn yes(&self, id: &str) -> bool {
        *self.get(id) == Value::Yes(true)
    }

    /// A number, inside the limits of its field.
    pub fn number(&self, id: &str) -> Option<i64> {
        match self.get(id) {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// A size.
    pub fn bytes(&self, id: &str) -> Option<u64> {
        match self.get(id) {
            Value::Bytes(bytes) => Some(*bytes),
            _ => None,
        }
    }

    /// A span.
    pub fn span(&self, id: &str) -> Option<std::time::Duration> {
        match self.get(id) {
            Value::Span(span) => Some(*span),
            _ => None,
        }
    }

    /// How long something is kept.
    pub fn keep(&self, id: &str) -> Option<crate::domain::retention::Lifetime> {
        match self.get(id) {
            Value::Keep(life) => Some(*life),
            _ => None,
        }
    }
}

/// Deletes the thing with this key inside a transaction.
pub type Remove = fn(&mut Writing<'_, '_>, &str) -> Result<(), Refusal>;

/// How things are changed. Everything happens inside one transaction, which a refusal undoes.
#[derive(Clone, Copy, Debug)]
pub struct Edit {
    /// What the form of a new thing has at first.
    pub blank: fn(&App) -> Object,
    /// The thing with this key, as the transaction sees it.
    pub load: fn(&mut Writing<'_, '_>, &str) -> Result<Option<Object>, Refusal>,
    /// Writes the values of the form: a new thing without a key. Gives back its key.
    pub write: fn(&mut Writing<'_, '_>, Option<&str>, &Values) -> Result<String, Refusal>,
    /// Deletes a thing.
    pub remove: Option<Remove>,
    /// What depends on a thing, or keeps it from being deleted.
    pub dependants: fn(&App, &Actor, &str) -> Result<Vec<Dependant>, AppError>,
    /// Tells the rest of the appliance that something changed.
    pub after: fn(&App),
}

/// Why a change is not made. Nothing of it was written.
#[derive(Debug)]
pub enum Refusal {
    /// What was typed does not fit.
    Invalid(Vec<Problem>),
    /// The permission is missing.
    Denied(Denied),
    /// It cannot be done now; one sentence with the way out.
    Refused(String),
    /// The thing is not there (any more).
    Missing,
    /// The store refused.
    Store(StoreError),
}

impl Refusal {
    /// A field whose value does not fit.
    pub fn field(id: &str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Problem::new(id, message)])
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl Model {
    /// So many of them: "1 queue", "2 queues".
    pub fn several(&self, count: u64) -> String {
        if count == 1 { self.one.to_owned() } else { format!("{}s", self.one) }
    }

    /// Every field of its form.
    pub fn fields(&self) -> impl Iterator<Item = &'static Field> {
        self.fieldsets.iter().flat_map(|set| set.fields)
    }

    /// The fields that can be filled in when a thing is made, or when it is changed.
    pub fn editable(&self, adding: bool) -> impl Iterator<Item = &'static Field> {
        self.fields().filter(move |field| field.editable(adding))
    }

    /// Its action of this word.
    pub fn action(&self, id: &str) -> Option<&'static Action> {
        self.actions.iter().find(|action| action.id == id)
    }

    /// Its column of this id.
    pub fn column(&self, id: &str) -> Option<&'static Column> {
        self.columns.iter().find(|column| column.id == id)
    }

    /// What an audit line calls the thing with this key.
    pub fn object_of(&self, key: &str) -> String {
        if self.object.is_empty() { key.to_owned() } else { format!("{} {key}", self.object) }
    }
}

impl Field {
    /// True if it can be filled in.
    pub fn editable(&self, adding: bool) -> bool {
        let there = match self.on {
            On::Both => true,
            On::Add => adding,
            On::Change => !adding,
        };
        there && !matches!(self.kind, Kind::Shown)
    }
}
