//! One request on its way through a handler.

use super::{
    access,
    arrival::{Arrival, Facts},
    body::Body,
    cookies::Jar,
    error::{WayOut, WebError},
    flash::Notice,
    form::{self, Form, FormError, Read},
    pages::{Frame, Theme},
    reply::{self, Response},
    table::{Answers, BodyRule, Need, Params, Row},
};
use crate::{
    app::{App, SessionView, Text},
    domain::{Actor, JobId},
};
use http::{HeaderValue, Method, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use std::{borrow::Cow, sync::Arc};

/// Who sends a request.
#[derive(Clone, Debug)]
pub enum Who {
    /// Nobody we know.
    Nobody,
    /// Somebody with a session; pages only.
    Session(SessionView),
    /// Whoever a bearer token stands for; API only.
    Token(Actor),
    /// Somebody on the box itself, through the local socket; API only.
    Console(Actor),
}

impl Who {
    fn actor(&self) -> Option<&Actor> {
        match self {
            Self::Nobody => None,
            Self::Session(session) => Some(&session.actor),
            Self::Token(actor) | Self::Console(actor) => Some(actor),
        }
    }
}

/// What surrounds every page that answers a request, kept apart from the [`Visit`] so that an
/// error page can still be drawn when the handler has used that up.
#[derive(Debug)]
pub(super) struct Scene {
    arrival: Arrival,
    site: Text,
    jar: Jar,
    session: Option<SessionView>,
}

impl Scene {
    /// Finds out who asks.
    pub(super) async fn open(app: &App, arrival: Arrival) -> (Self, Who) {
        let jar = Jar::read(&arrival.headers, arrival.secure);
        let who = access::identify(app, &arrival, &jar).await;
        let session = match &who {
            Who::Session(session) => Some(session.clone()),
            Who::Nobody | Who::Token(_) | Who::Console(_) => None,
        };
        let site = if arrival.is_api() { Text::default() } else { app.site().0 };
        (Self { arrival, site, jar, session }, who)
    }

    /// Who asks does not matter: for files of ours, which nobody may know about.
    pub(super) fn plain(arrival: Arrival) -> Self {
        Self { arrival, site: Text::default(), jar: Jar::default(), session: None }
    }

    pub(super) fn arrival(&self) -> &Arrival {
        &self.arrival
    }

    pub(super) fn frame(&self) -> Frame<'_> {
        let uri = &self.arrival.uri;
        Frame {
            site: &self.site,
            path: uri.path_and_query().map_or("/", |p| p.as_str()),
            theme: self.jar.theme,
            session: self.session.as_ref(),
            now: self.arrival.now,
            request_id: &self.arrival.request_id,
            flash: self.jar.flash.as_ref().map(Notice::shown),
        }
    }

    /// An error as this kind of route shows it.
    pub(super) fn error(&self, error: WebError, answers: Answers) -> Response {
        match answers {
            Answers::Api => error.into_json(&self.arrival.request_id),
            Answers::Stream | Answers::Asset => error.into_text(),
            Answers::Page | Answers::File => error.into_page(&self.frame()),
        }
    }

    /// Lets go of cookies that have done their work, or never could.
    pub(super) fn tidy(&self, mut response: Response) -> Response {
        let secure = self.arrival.secure;
        let sets = |response: &Response, name: &str| {
            let values = response.headers().get_all(header::SET_COOKIE).iter();
            values
                .filter_map(|v| v.to_str().ok())
                .any(|v| v.strip_prefix(name).is_some_and(|rest| rest.starts_with('=')))
        };
        if self.jar.session.is_some()
            && self.session.is_none()
            && !self.arrival.is_api()
            && !sets(&response, super::cookies::session_name(secure))
        {
            response = reply::with_cookie(response, &super::cookies::no_session(secure));
        }
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        let shown = response.headers().get(header::CONTENT_TYPE) == Some(&html);
        if self.jar.had_flash && shown {
            response = reply::with_cookie(response, &super::cookies::no_flash(secure));
        }
        response
    }
}

/// One request. Everything of [`Facts`] (`now`, `peer`, `request_id`, `method`, `uri`, `headers`,
/// `secure`, `stopping`) can be read from it directly.
pub struct Visit {
    /// The appliance.
    pub app: App,
    /// Who asks.
    pub who: Who,
    /// The path's parameters, decoded.
    pub params: Params,
    /// The body, as far as nobody has read it.
    pub body: Body,
    /// The site's display name.
    pub site: Text,
    scene: Arc<Scene>,
    row: &'static Row,
    read: Option<Read>,
}

impl std::ops::Deref for Visit {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        &self.scene.arrival
    }
}

impl Visit {
    pub(super) fn new(
        app: App,
        row: &'static Row,
        params: Params,
        (scene, who): (Arc<Scene>, Who),
        body: Body,
    ) -> Self {
        let site = scene.site.clone();
        Self { app, who, params, body, site, scene, row, read: None }
    }

    /// Checks that this request may come in at all: permission, origin, CSRF token. Forms of pages
    /// are read here, so that no handler can forget the check.
    pub(super) async fn admit(&mut self) -> Result<(), WebError> {
        access::admit(self.row, &self.who, self)?;
        let reads = matches!(self.method, Method::GET | Method::HEAD);
        if reads || self.row.answers == Answers::Api {
            return Ok(());
        }
        if !access::same_site(self) {
            return Err(self.forged());
        }
        let body = std::mem::replace(&mut self.body, Body::empty());
        let read = self.read_form(body).await;
        let proven = self.row.need == Need::Public
            || access::genuine(&self.who, self, read.form.get("csrf"));
        match read.problem {
            Some(FormError::Forged) => Err(self.forged()),
            Some(problem) if !proven => Err(problem.into()),
            None if !proven => Err(self.forged()),
            _ => {
                self.read = Some(read);
                Ok(())
            }
        }
    }

    fn forged(&self) -> WebError {
        WebError::forged(access::came_from(self))
    }

    async fn read_form(&self, mut body: Body) -> Read {
        let kind = self.header(header::CONTENT_TYPE).unwrap_or("");
        match self.row.body {
            BodyRule::Multipart | BodyRule::Upload => {
                let limit = self.app.live().definition_limit;
                let open = self.row.answers == Answers::Api || self.row.need == Need::Public;
                let (who, facts) = (&self.who, &**self);
                let genuine = |form: &Form| open || access::genuine(who, facts, form.get("csrf"));
                form::multipart(body, kind, limit, genuine).await
            }
            BodyRule::None | BodyRule::Form | BodyRule::Json => {
                form::urlencoded(&mut body, kind).await
            }
        }
    }

    /// Who asks.
    ///
    /// # Errors
    /// Nobody is signed in.
    pub fn actor(&self) -> Result<&Actor, WebError> {
        self.who.actor().ok_or_else(|| WebError::signed_out(None))
    }

    /// The session.
    ///
    /// # Errors
    /// Nobody is signed in, or not with a session.
    pub fn session(&self) -> Result<&SessionView, WebError> {
        match &self.who {
            Who::Session(session) => Ok(session),
            Who::Nobody | Who::Token(_) | Who::Console(_) => {
                Err(WebError::signed_out(Some("/login".into())))
            }
        }
    }

    /// What surrounds a page that answers this request.
    pub fn frame(&self) -> Frame<'_> {
        self.scene.frame()
    }

    /// The colours that were chosen.
    pub fn theme(&self) -> Theme {
        self.scene.jar.theme
    }

    /// The first value of a query parameter; what is not UTF-8 reads with replacement characters.
    pub fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        self.query_pairs().find(|(n, _)| n == name).map(|(_, value)| value)
    }

    /// Every query parameter, decoded.
    pub fn query_pairs(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        pairs(self.uri.query().unwrap_or(""))
    }

    /// A parameter of the path; empty if the path has none of this name.
    pub fn param(&self, name: &str) -> &str {
        self.params.get(name).unwrap_or("")
    }

    /// The path's `{job}`.
    ///
    /// # Errors
    /// 404 when it is no job number.
    pub fn job_id(&self) -> Result<JobId, WebError> {
        self.param("job").parse().map_err(|error| {
            WebError::new(StatusCode::NOT_FOUND, "Not found", format!("{error}"))
                .way_out(WayOut::new("Go to the queue", "/queue"))
        })
    }

    /// The form: of a page, read and checked already; of the API, read now.
    ///
    /// # Errors
    /// It could not be read as a whole.
    pub async fn form(&mut self) -> Result<Form, WebError> {
        let read = self.read_now().await;
        match read.problem {
            None => Ok(read.form),
            Some(problem) => Err(problem.into()),
        }
    }

    /// As [`form`](Self::form), for routes that take a definition.
    ///
    /// # Errors
    /// As `form`.
    pub async fn multipart(&mut self) -> Result<Form, WebError> {
        self.form().await
    }

    /// The form as far as it could be read, and what was wrong with it.
    pub async fn read_now(&mut self) -> Read {
        match self.read.take() {
            Some(read) => read,
            None => {
                let body = std::mem::replace(&mut self.body, Body::empty());
                self.read_form(body).await
            }
        }
    }

    /// The body as JSON; nothing at all reads as `{}`.
    ///
    /// # Errors
    /// Another content type, too large, or not what was expected.
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<T, WebError> {
        let kind = self.header(header::CONTENT_TYPE).unwrap_or("application/json");
        let kind = kind.split(';').next().unwrap_or("").trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            let message = format!("the body is `{kind}`: send `application/json`");
            return Err(WebError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Not JSON", message));
        }
        let mut bytes = self.body.bytes().await?;
        if bytes.is_empty() {
            bytes.extend_from_slice(b"{}");
        }
        serde_json::from_slice(&bytes).map_err(|error| {
            let message = format!("the body is not the JSON that is expected here: {error}");
            WebError::new(StatusCode::BAD_REQUEST, "Not JSON", message)
        })
    }

    /// True if the answer should be JSON rather than a page.
    pub fn wants_json(&self) -> bool {
        let accepts = self.header(header::ACCEPT).unwrap_or("");
        self.row.answers == Answers::Api || accepts.contains("application/json")
    }
}

fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

fn decoded(part: &str) -> Cow<'_, str> {
    if part.contains('+') {
        let blanks = part.replace('+', " ");
        return percent_decode_str(&blanks).decode_utf8_lossy().into_owned().into();
    }
    percent_decode_str(part).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded_and_the_first_value_counts() {
        let all: Vec<_> = pairs("q=a+b%26c&x&q=2&u=%C3%BC&bad=%ff")
            .map(|(n, v)| (n.into_owned(), v.into_owned()))
            .collect();
        let wanted = [("q", "a b&c"), ("x", ""), ("q", "2"), ("u", "ü"), ("bad", "\u{fffd}")];
        assert_eq!(all, wanted.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }
}
