//! What a browser does with a form: read it from a page, fill it in, send it.

use super::super::appliance::{Answer, Ask, Person, Running};
use img::{
    domain::{UserName, Verb},
    store::{AuditCursor, AuditFilter, AuditRecord},
};

/// A form of a page with what is filled in.
#[derive(Clone, Debug)]
pub struct Form {
    pub action: String,
    pub fields: Vec<(String, String)>,
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

/// The value of an attribute; of one without a value, the empty text.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut rest = tag;
    loop {
        let at = rest.find(&format!(" {name}"))?;
        let after = &rest[at + 1 + name.len()..];
        if let Some(value) = after.strip_prefix("=\"") {
            return Some(unescape(&value[..value.find('"')?]));
        }
        if after.is_empty() || after.starts_with([' ', '>']) {
            return Some(String::new());
        }
        rest = after;
    }
}

impl Form {
    /// The form of a page that is sent to `action`.
    pub fn of(page: &str, action: &str) -> Self {
        Self::find(page, action).unwrap_or_else(|| panic!("no form for {action} in {page}"))
    }

    pub fn find(page: &str, action: &str) -> Option<Self> {
        let begin = format!("action=\"{action}\"");
        let at = page.find(&begin)?;
        let body = &page[at..];
        let body = &body[..body.find("</form>").unwrap_or(body.len())];
        let mut fields = Vec::new();
        let mut select: Option<(String, Option<String>)> = None;
        for piece in body.split('<').skip(1) {
            let (tag, text) = piece.split_once('>').unwrap_or((piece, ""));
            let name = || attribute(tag, "name");
            match tag.split(' ').next().unwrap_or("") {
                "input" if attribute(tag, "disabled").is_none() => {
                    let kind = attribute(tag, "type").unwrap_or_default();
                    let ticks = matches!(kind.as_str(), "checkbox" | "radio");
                    if let Some(name) = name()
                        && (!ticks || attribute(tag, "checked").is_some())
                    {
                        let value = attribute(tag, "value");
                        let none = if ticks { "on" } else { "" };
                        fields.push((name, value.unwrap_or_else(|| none.to_owned())));
                    }
                }
                "textarea" => fields.extend(name().map(|name| (name, unescape(text)))),
                "select" => select = name().map(|name| (name, None)),
                "option" => {
                    if let Some((_, chosen)) = &mut select
                        && (chosen.is_none() || attribute(tag, "selected").is_some())
                    {
                        *chosen = Some(attribute(tag, "value").unwrap_or_else(|| unescape(text)));
                    }
                }
                "/select" => {
                    if let Some((name, Some(value))) = select.take() {
                        fields.push((name, value));
                    }
                }
                _ => {}
            }
        }
        Some(Self { action: action.to_owned(), fields })
    }

    /// Opens a page and takes its form; both have the same address.
    pub async fn open(running: &Running, path: &str, who: &Person) -> Self {
        let page = running.get(path, who).await;
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        Self::of(&page.body, path)
    }

    /// The only value of a field; empty when there is none.
    pub fn get(&self, name: &str) -> &str {
        self.fields.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
    }

    /// With these values of a field and no others.
    #[must_use]
    pub fn with(mut self, name: &str, values: &[&str]) -> Self {
        self.fields.retain(|(n, _)| n != name);
        self.fields.extend(values.iter().map(|v| (name.to_owned(), (*v).to_owned())));
        self
    }

    #[must_use]
    pub fn set(self, name: &str, value: &str) -> Self {
        self.with(name, &[value])
    }

    /// With several fields set.
    #[must_use]
    pub fn fill(self, fields: &[(&str, &str)]) -> Self {
        fields.iter().fold(self, |form, (name, value)| form.set(name, value))
    }

    #[must_use]
    pub fn without(self, name: &str) -> Self {
        self.with(name, &[])
    }

    pub async fn send(&self, running: &Running, who: &Person) -> Answer {
        let rest: Vec<_> = self
            .fields
            .iter()
            .filter(|(name, _)| name != "csrf")
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let ask = Ask::new("POST", &self.action, who);
        running.ask(ask.fields(self.get("csrf"), &rest)).await
    }
}

/// Opens a form, sets fields and sends it.
pub async fn change(
    running: &Running,
    path: &str,
    who: &Person,
    fields: &[(&str, &str)],
) -> Answer {
    Form::open(running, path, who).await.fill(fields).send(running, who).await
}

/// As [`change`], and it has to go well.
pub async fn saved(running: &Running, path: &str, who: &Person, fields: &[(&str, &str)]) {
    let answer = change(running, path, who, fields).await;
    assert_eq!(answer.status, 303, "{path}: {}", answer.body);
}

/// Ticks rows of a list and runs an action.
pub async fn act(
    running: &Running,
    model: &str,
    who: &Person,
    action: &str,
    ids: &[&str],
) -> Answer {
    let page = running.get(&format!("/admin/{model}"), who).await;
    let form = Form::of(&page.body, &format!("/admin/{model}/action"));
    form.set("action", action).with("id", ids).send(running, who).await
}

/// The page a redirect leads to, with the message it carries.
pub async fn follow(running: &Running, who: &Person, answer: &Answer) -> Answer {
    assert_eq!(answer.status, 303, "{}", answer.body);
    let flash = answer.cookie("img_flash").unwrap_or("");
    let cookie = who.cookie.as_ref().map(|cookie| format!("{cookie}; img_flash={flash}"));
    running.get(answer.location(), &Person { cookie, ..who.clone() }).await
}

/// Somebody of the staff with exactly these permissions.
pub async fn staff_with(running: &Running, name: &str, verbs: &[Verb]) -> (UserName, Person) {
    let user = running.staff(name, Some("Viewers")).await;
    let verbs = verbs.iter().copied().collect();
    running
        .change_user(&user, move |user| {
            user.groups.clear();
            user.verbs = verbs;
        })
        .await;
    let person = running.session(&user, false).await;
    (user, person)
}

pub async fn superuser(running: &Running) -> Person {
    let ada = running.user("ada", None).await;
    running.session(&ada, false).await
}

/// Every line of the trail, newest first.
pub fn trail(running: &Running) -> Vec<AuditRecord> {
    let store = running.appliance.app().store();
    let page = store.audit_page(&AuditFilter::default(), AuditCursor::Newest, 500).unwrap();
    page.lines.into_iter().map(|line| line.record).collect()
}

/// The newest line of an action.
pub fn told(running: &Running, action: &str) -> AuditRecord {
    let all = trail(running);
    let found = all.iter().find(|line| line.action == action);
    found.unwrap_or_else(|| panic!("no {action} in {all:#?}")).clone()
}
