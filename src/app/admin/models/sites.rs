//! Sites.

use super::super::{
    change::{Dependant, Writing},
    model::*,
    value::{Object, Value},
};
use crate::{
    app::{App, AppError},
    domain::{Actor, Site, Verb},
};

pub(super) static SITES: Model = Model {
    id: "sites",
    one: "site",
    many: "Sites",
    about: "The names under which this box answers, and what it calls itself.",
    section: Section::Sites,
    rights: Rights {
        view: Verb::ViewSites,
        add: Some(Verb::AddSites),
        change: Some(Verb::ChangeSites),
        delete: Some(Verb::DeleteSites),
    },
    columns: &[Column::new("domain", "Domain name"), Column::new("display_name", "Display name")],
    filters: &[],
    search: &["domain", "display_name"],
    order: ("domain", false),
    dated: false,
    fieldsets: &[Fieldset {
        title: "Site",
        fields: &[
            Field::required(
                "domain",
                "Domain name",
                Kind::Text(253),
                "A host name without port, such as images.example.org. Requests for other names are refused; this box itself always answers to localhost.",
            )
            .only(On::Add),
            Field::required(
                "display_name",
                "Display name",
                Kind::Text(50),
                "In the header and the title of every page; the first site's counts.",
            ),
        ],
    }],
    actions: &[Action {
        id: "delete",
        label: "Delete selected sites",
        verb: Verb::DeleteSites,
        argument: None,
        act: Act::Delete,
    }],
    source: Source::All(all),
    edit: Some(Edit { blank, load, write, remove: Some(remove), dependants, after: |_| {} }),
    object: "site",
};

fn all(app: &App, _actor: &Actor) -> Result<Vec<Object>, AppError> {
    Ok(app.store().sites()?.iter().map(object).collect())
}

fn object(site: &Site) -> Object {
    Object::new(site.domain.as_str(), site.domain.as_str())
        .with("domain", Value::Text(site.domain.clone()))
        .with("display_name", Value::text_of(site.display_name.as_str()))
}

fn blank(_app: &App) -> Object {
    Object::default()
}

fn named(w: &mut Writing<'_, '_>, key: &str) -> Result<Option<Site>, Refusal> {
    Ok(w.tx.sites()?.into_iter().find(|site| site.domain == key))
}

fn load(w: &mut Writing<'_, '_>, key: &str) -> Result<Option<Object>, Refusal> {
    Ok(named(w, key)?.as_ref().map(object))
}

fn write(w: &mut Writing<'_, '_>, key: Option<&str>, values: &Values) -> Result<String, Refusal> {
    let display_name = values.text("display_name");
    let site = match key {
        Some(key) => Site { display_name, ..named(w, key)?.ok_or(Refusal::Missing)? },
        None => {
            let domain = host_name(&values.text("domain"))?;
            if named(w, &domain)?.is_some() {
                let message = format!("there is a site `{domain}` already: change that one");
                return Err(Refusal::field("domain", message));
            }
            Site { domain, display_name }
        }
    };
    w.tx.put_site(&site)?;
    Ok(site.domain)
}

/// A host name as DNS has it: labels of letters, digits and hyphens with dots between.
fn host_name(text: &str) -> Result<String, Refusal> {
    let name = text.to_ascii_lowercase();
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if name.len() <= 253 && name.split('.').all(label) {
        return Ok(name);
    }
    let message = format!(
        "`{}` is no host name: give letters, digits and hyphens with dots between, without port",
        text.chars().take(60).flat_map(char::escape_debug).collect::<String>()
    );
    Err(Refusal::field("domain", message))
}

fn remove(w: &mut Writing<'_, '_>, key: &str) -> Result<(), Refusal> {
    if w.tx.sites()?.len() <= 1 {
        return Err(Refusal::Refused(format!("{key} is the only site: add another one first")));
    }
    if w.tx.remove_site(key)? { Ok(()) } else { Err(Refusal::Missing) }
}

fn dependants(app: &App, _actor: &Actor, _key: &str) -> Result<Vec<Dependant>, AppError> {
    Ok(match app.store().sites()?.len() {
        0 | 1 => vec![Dependant::block("it is the only site: add another one first")],
        _ => vec![Dependant::note(
            "requests for this name are refused from then on, yours too if you came by it",
        )],
    })
}

#[cfg(test)]
mod tests {
    use super::host_name;

    #[test]
    fn a_site_has_a_host_name_and_nothing_else() {
        assert_eq!(host_name("Images.Example.org").unwrap(), "images.example.org");
        assert!(host_name("localhost").is_ok());
        for bad in ["", ".", "a..b", "-a", "a-", "a:80", "http://a", "a/b", "ü.de", "a b", "*"] {
            assert!(host_name(bad).is_err(), "{bad}");
        }
        assert!(host_name(&"a".repeat(64)).is_err());
    }
}
