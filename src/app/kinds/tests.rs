use super::*;
use crate::{
    app::{ImageTypeChoice, RunnerChoice},
    plugin::api,
};

fn kind(id: &str, label: &str, archs: &[&str]) -> ImageTypeChoice {
    let archs = archs.iter().map(|arch| (*arch).to_owned()).collect();
    ImageTypeChoice { id: id.into(), label: label.into(), help: String::new(), archs }
}

fn runner(id: &str, image_types: Vec<ImageTypeChoice>) -> RunnerChoice {
    RunnerChoice {
        id: id.into(),
        name: id.into(),
        description: String::new(),
        definition_label: String::new(),
        extensions: Vec::new(),
        max_size: 1,
        image_types,
        fields: Vec::new(),
        missing_programs: Vec::new(),
    }
}

fn choices() -> Choices {
    let mic = vec![
        kind("raw", "Raw disk", &["i586", "armv7hl"]),
        kind("livecd", "Live CD", &["i586"]),
        kind("loop", "Loop image", &["armv7hl"]),
    ];
    let runners = vec![runner("mic", mic), runner("other", vec![kind("raw", "Disk", &["i586"])])];
    Choices { runners, ..Choices::default() }
}

fn note(label: Option<&str>, order: i32, hidden: bool) -> TypeNote {
    TypeNote { label: label.map(str::to_owned), order, hidden }
}

fn notes<const N: usize>(all: [(&str, TypeNote); N]) -> TypeNotes {
    all.into_iter().map(|(id, note)| (id.to_owned(), note)).collect()
}

fn offered(types: &TypeNotes, archs: &TypeNotes) -> Vec<String> {
    let mut choices = choices();
    arrange(&mut choices, types, archs);
    let shown = |runner: &RunnerChoice| {
        let kinds = runner.image_types.iter();
        let kinds: Vec<_> = kinds.map(|k| format!("{}({})", k.label, k.archs.join("+"))).collect();
        format!("{}: {}", runner.id, kinds.join(" "))
    };
    let archs: Vec<_> = choices.archs.iter().map(|arch| arch.label.clone()).collect();
    choices.runners.iter().map(shown).chain([archs.join(" ")]).collect()
}

#[test]
fn without_notes_labels_decide_the_order() {
    assert_eq!(
        offered(&notes([]), &notes([])),
        [
            "mic: Live CD(i586) Loop image(armv7hl) Raw disk(i586+armv7hl)",
            "other: Disk(i586)",
            "armv7hl i586"
        ]
    );
}

#[test]
fn an_administrator_names_and_orders_them() {
    let types = notes([("raw", note(Some("Card"), -1, false)), ("livecd", note(None, 5, false))]);
    let archs =
        notes([("armv7hl", note(Some("Phones"), 0, false)), ("i586", note(None, -1, false))]);
    assert_eq!(
        offered(&types, &archs),
        [
            "mic: Card(i586+armv7hl) Loop image(armv7hl) Live CD(i586)",
            "other: Card(i586)",
            "i586 Phones"
        ]
    );
}

#[test]
fn what_is_hidden_is_not_offered_nor_what_is_left_with_nothing() {
    let archs = notes([("armv7hl", note(None, 0, true))]);
    assert_eq!(
        offered(&notes([]), &archs),
        ["mic: Live CD(i586) Raw disk(i586)", "other: Disk(i586)", "i586"]
    );
    let types = notes([("raw", note(None, 0, true))]);
    assert_eq!(
        offered(&types, &notes([])),
        ["mic: Live CD(i586) Loop image(armv7hl)", "armv7hl i586"]
    );
}

#[test]
fn an_older_or_newer_note_reads_with_what_is_missing_as_usual() {
    let read: TypeNote = serde_json::from_str(r#"{"order":3,"colour":"red"}"#).unwrap();
    assert_eq!(read, note(None, 3, false));
    let text = serde_json::to_string(&note(Some("Card"), -1, true)).unwrap();
    assert_eq!(serde_json::from_str::<TypeNote>(&text).unwrap(), note(Some("Card"), -1, true));
}

fn info(id: &str, types: &[(&str, &str, &[&str])]) -> RunnerInfo {
    let kind = |(id, label, archs): &(&str, &str, &[&str])| api::ImageType {
        id: (*id).into(),
        label: (*label).into(),
        help: String::new(),
        architectures: archs.iter().map(|arch| (*arch).to_owned()).collect(),
    };
    RunnerInfo {
        id: id.into(),
        name: id.into(),
        version: "1".into(),
        description: String::new(),
        homepage: None,
        definition: api::DefinitionKind {
            label: String::new(),
            extensions: Vec::new(),
            required: true,
            max_size: 1,
        },
        image_types: types.iter().map(kind).collect(),
        options: Vec::new(),
        programs: Vec::new(),
        privileges: Vec::new(),
    }
}

#[test]
fn what_is_known_names_who_builds_it_and_with_what() {
    let infos = [
        info("mic", &[("raw", "Raw disk", &["i586", "armv7hl"]), ("livecd", "Live CD", &["i586"])]),
        info("other", &[("raw", "Disk", &["x86_64"])]),
    ];
    let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<BTreeSet<_>>();
    let known = image_types(&infos);
    assert_eq!(known.iter().map(|k| k.id.as_str()).collect::<Vec<_>>(), ["livecd", "raw"]);
    assert_eq!(
        known[1],
        Known {
            id: "raw".into(),
            label: "Raw disk".into(),
            runners: set(&["mic", "other"]),
            pairs: set(&["i586", "armv7hl", "x86_64"]),
        }
    );
    let known = archs(&infos);
    assert_eq!(
        known.iter().map(|k| k.id.as_str()).collect::<Vec<_>>(),
        ["armv7hl", "i586", "x86_64"]
    );
    assert_eq!((&known[1].runners, &known[1].pairs), (&set(&["mic"]), &set(&["raw", "livecd"])));
}
