//! A strict reader of the HTML we write: anything unexpected is an error, which is the point.

/// An element's opening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
}

impl Tag {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

const VOID: [&str; 4] = ["input", "link", "meta", "br"];

/// Every opening of `html`; panics when elements do not nest or a character stands where only
/// markup of ours may.
pub(super) fn tags(html: &str) -> Vec<Tag> {
    let (mut all, mut open) = (Vec::new(), Vec::new());
    let mut rest = html.strip_prefix("<!DOCTYPE html>").unwrap_or(html);
    while let Some(at) = rest.find('<') {
        assert!(!rest[..at].contains('>'), "a stray > in {:.80}", &rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('/') {
            let end = after.find('>').expect("a closing tag ends");
            assert_eq!(open.pop().as_deref(), Some(&after[..end]), "elements nest");
            rest = &after[end + 1..];
            continue;
        }
        let (tag, after) = opening(rest);
        if !VOID.contains(&tag.name.as_str()) {
            open.push(tag.name.clone());
        }
        all.push(tag);
        rest = after;
    }
    assert!(open.is_empty(), "left open: {open:?}");
    all
}

fn opening(text: &str) -> (Tag, &str) {
    let name_end = text.find(|c: char| !c.is_ascii_alphanumeric()).expect("a name ends");
    let mut tag = Tag { name: text[..name_end].to_owned(), attributes: Vec::new() };
    assert!(!tag.name.is_empty(), "no element name in {text:.60}");
    let mut rest = &text[name_end..];
    loop {
        if let Some(after) = rest.strip_prefix('>') {
            return (tag, after);
        }
        rest = rest.strip_prefix(' ').unwrap_or_else(|| panic!("no blank in {rest:.60}"));
        let end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
            .expect("an attribute's name ends");
        let name = rest[..end].to_owned();
        assert!(!name.is_empty(), "no attribute name in {rest:.60}");
        rest = &rest[end..];
        let Some(quoted) = rest.strip_prefix("=\"") else {
            tag.attributes.push((name, String::new()));
            continue;
        };
        let end = quoted.find('"').expect("a value ends");
        tag.attributes.push((name, quoted[..end].to_owned()));
        rest = &quoted[end + 1..];
    }
}
