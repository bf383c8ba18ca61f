use super::*;
use crate::{
    app::admin::model::{Rights, Section},
    domain::Verb,
};
use proptest::prelude::*;
use std::cmp::Ordering;

static THINGS: Model = Model {
    id: "things",
    one: "thing",
    many: "Things",
    about: "",
    section: Section::System,
    rights: Rights::view(Verb::ViewHealth),
    columns: &[
        Column::new("name", "Name"),
        Column::number("amount", "Amount"),
        Column::new("words", "Words"),
    ],
    filters: &[
        Filter { id: "words", label: "Words" },
        Filter { id: "on", label: "On" },
        Filter { id: "name", label: "Name" },
    ],
    search: &["name", "words"],
    order: ("name", false),
    dated: false,
    fieldsets: &[],
    actions: &[],
    source: Source::Audit,
    edit: None,
    object: "thing",
};

/// A thing as the model of this test has it, beside how the engine has it.
#[derive(Clone, Debug)]
struct Thing {
    key: String,
    name: String,
    amount: Option<i64>,
    words: Vec<&'static str>,
    on: bool,
}

impl Thing {
    fn object(&self) -> Object {
        Object::new(self.key.as_str(), self.key.as_str())
            .with("name", Value::text_of(self.name.as_str()))
            .with("amount", self.amount.map_or(Value::Nothing, Value::Number))
            .with("words", Value::words_of(&self.words))
            .with("on", Value::Yes(self.on))
    }

    fn has(&self, filter: &str, wanted: &str) -> bool {
        match filter {
            "words" => self.words.contains(&wanted),
            "on" => wanted == if self.on { "yes" } else { "no" },
            _ => self.name == wanted,
        }
    }

    fn says(&self, text: &str) -> bool {
        text.to_lowercase().split_whitespace().all(|word| {
            self.name.to_lowercase().contains(word) || self.words.join(", ").contains(word)
        })
    }
}

fn compared(a: &Thing, b: &Thing, order: &str) -> Ordering {
    let by = match order {
        "amount" => a.amount.cmp(&b.amount),
        "words" => a.words.join(", ").cmp(&b.words.join(", ")),
        _ => a.name.to_lowercase().cmp(&b.name.to_lowercase()),
    };
    by.then_with(|| a.key.cmp(&b.key))
}

/// What the list is, told without the engine.
fn told(things: &[Thing], query: &ListQuery) -> Vec<String> {
    let mut found: Vec<&Thing> = things
        .iter()
        .filter(|t| query.filters.iter().all(|(id, wanted)| t.has(id, wanted)))
        .filter(|t| t.says(&query.text))
        .collect();
    found.sort_by(|a, b| compared(a, b, query.order));
    if query.descending {
        found.reverse();
    }
    found.into_iter().map(|t| t.key.clone()).collect()
}

fn things() -> impl Strategy<Value = Vec<Thing>> {
    let thing = (
        prop::sample::select(vec!["core", "Core", "handset", "tv", ""]),
        proptest::option::of(-2i64..3),
        prop::sample::subsequence(vec!["gold", "nightly"], 0..=2),
        any::<bool>(),
    );
    proptest::collection::vec(thing, 0..40).prop_map(|all| {
        all.into_iter()
            .enumerate()
            .map(|(n, (name, amount, words, on))| Thing {
                key: format!("k{n:02}"),
                name: name.to_owned(),
                amount,
                words,
                on,
            })
            .collect()
    })
}

fn queries() -> impl Strategy<Value = ListQuery> {
    (
        proptest::option::of(prop::sample::select(vec!["gold", "nightly", "none"])),
        proptest::option::of(prop::sample::select(vec!["yes", "no"])),
        prop::sample::select(vec!["", "co", "CORE", "gold co", "zz"]),
        prop::sample::select(vec!["name", "amount", "words"]),
        any::<bool>(),
        1usize..9,
    )
        .prop_map(|(words, on, text, order, descending, limit)| {
            let mut filters = BTreeMap::new();
            filters.extend(words.map(|w| ("words", w.to_owned())));
            filters.extend(on.map(|w| ("on", w.to_owned())));
            let text = text.to_owned();
            ListQuery { filters, text, order, descending, limit, ..ListQuery::of(&THINGS) }
        })
}

fn keys(page: &ListPage) -> Vec<String> {
    page.rows.iter().map(|object| object.key.clone()).collect()
}

fn objects(things: &[Thing]) -> Vec<Object> {
    things.iter().map(Thing::object).collect()
}

proptest! {
    #[test]
    fn pages_forwards_and_backwards_are_the_list_as_it_is_told(
        all in things(), query in queries(),
    ) {
        let wanted = told(&all, &query);
        let mut forwards = Vec::new();
        let mut at = page(&THINGS, objects(&all), &query);
        prop_assert_eq!(at.total, Some(wanted.len() as u64));
        prop_assert!(at.before.is_none());
        loop {
            prop_assert!(at.rows.len() <= query.limit);
            forwards.extend(keys(&at));
            let Some(after) = at.after.clone() else { break };
            let next = ListQuery { cursor: Some(after), ..query.clone() };
            at = page(&THINGS, objects(&all), &next);
            prop_assert!(at.before.is_some(), "a later page leads back");
        }
        prop_assert_eq!(&forwards, &wanted);
        let mut backwards = keys(&at);
        while let Some(before) = at.before.clone() {
            let back = ListQuery { cursor: Some(before), backwards: true, ..query.clone() };
            at = page(&THINGS, objects(&all), &back);
            let mut rows = keys(&at);
            rows.append(&mut backwards);
            backwards = rows;
        }
        prop_assert_eq!(&backwards, &wanted);
    }

    #[test]
    fn a_place_stays_right_when_things_come_and_go(
        all in things(), query in queries(), gone in proptest::collection::vec(any::<bool>(), 40),
    ) {
        let first = page(&THINGS, objects(&all), &query);
        let Some(after) = first.after.clone() else { return Ok(()) };
        let left: Vec<Thing> = all
            .iter()
            .zip(&gone)
            .filter(|(_, gone)| !**gone)
            .map(|(thing, _)| thing.clone())
            .collect();
        let seen = keys(&first);
        let second = page(&THINGS, objects(&left), &ListQuery { cursor: Some(after), ..query.clone() });
        let wanted: Vec<_> =
            told(&left, &query).into_iter().filter(|k| !seen.contains(k)).take(query.limit).collect();
        prop_assert_eq!(keys(&second), wanted);
    }

    #[test]
    fn a_facet_counts_what_choosing_it_would_find(all in things(), query in queries()) {
        let at = page(&THINGS, objects(&all), &query);
        for facet in &at.facets {
            for value in facet.values.iter().filter(|v| v.count.is_some()) {
                let mut narrowed = query.clone();
                narrowed.filters.insert(facet.filter.id, value.value.clone());
                prop_assert_eq!(value.count, Some(told(&all, &narrowed).len() as u64));
            }
        }
    }

    #[test]
    fn whatever_place_is_made_up_the_page_is_a_piece_of_the_list(
        all in things(), query in queries(), key in ".{0,6}", value in ".{0,6}", backwards: bool,
    ) {
        let cursor = Some(ListCursor { key, value });
        let query = ListQuery { cursor, backwards, ..query };
        let wanted = told(&all, &query);
        let rows = keys(&page(&THINGS, objects(&all), &query));
        let at = wanted.iter().position(|k| Some(k) == rows.first()).unwrap_or(0);
        prop_assert_eq!(&wanted[at..at + rows.len()], rows.as_slice());
    }
}

#[test]
fn dates_are_a_year_a_month_or_a_day_and_nothing_else() {
    let day = Dates::read("2026-11-26").unwrap();
    let (from, until) = day.bounds();
    assert_eq!(until.as_millis() - from.as_millis(), 86_400_000);
    let month = Dates::read("2026-02").unwrap().bounds();
    assert_eq!((month.1.as_millis() - month.0.as_millis()) / 86_400_000, 28);
    for text in ["2026", "2026-11", "2026-11-26"] {
        assert_eq!(Dates::read(text).unwrap().text(), text);
    }
    for bad in ["", "26", "2026-13", "2026-02-30", "2026-11-26-1", "x", "2026-", "+026"] {
        assert_eq!(Dates::read(bad), None, "{bad}");
    }
}
